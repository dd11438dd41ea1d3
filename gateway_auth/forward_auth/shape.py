"""Which header of a question means what, by the sequence of their names. It looks at no value.

A proxy sends the same names in the same order for the same client again and again, so this is worked out once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter

from gateway_auth.asgi.types import Header
from gateway_auth.core.malformed import Malformed
from gateway_auth.forward_auth.telling import DROPPED, HOST, PROTO, Telling, choose

_HANDSHAKE = frozenset((b"sec-websocket-key", b"sec-websocket-version"))
_REPEATED = Malformed("a header that names the original request came more than once")

Positions = tuple[int, ...]


class QuestionShape:
    """Where in the headers of a question things stand.

    `telling` is how the original request is named, or why it cannot be told: first without, then with a path behind
    that of the endpoint. `told_hosts` and `protos` are what a proxy tells beside it; `hosts`, `addresses` and
    `upgrades` are Host, the header that names the client, and Upgrade; `has_handshake`: other fields of a WebSocket
    handshake are there. `keep` picks what was the client's.
    """

    __slots__ = (
        "addresses", "count", "has_handshake", "hosts", "keep", "protos", "telling", "told_hosts", "upgrades",
    )  # fmt: skip

    def __init__(self, names: Sequence[bytes], tellings: Sequence[Telling], address_header: bytes) -> None:
        self.count = len(names)
        told_by = {name for telling in tellings for name in telling.names}
        is_repeated = any(names.count(name) > 1 for name in (*told_by, HOST))
        # Positions of method and URI come with the telling; for one by path they are not needed.
        self.telling: tuple[Malformed | tuple[Telling, int, int], ...] = (
            (_REPEATED, _REPEATED) if is_repeated else tuple(_placed(names, tellings, has) for has in (False, True))
        )
        self.hosts = _positions(names, b"host")
        self.told_hosts = _positions(names, HOST)
        self.protos = _positions(names, PROTO)
        self.upgrades = _positions(names, b"upgrade")
        self.addresses = _positions(names, address_header)
        self.has_handshake = not _HANDSHAKE.isdisjoint(names)
        dropped = (DROPPED | {b"host"}) - {address_header}
        self.keep = _picker([position for position, name in enumerate(names) if name not in dropped])


def _placed(
    names: Sequence[bytes], tellings: Sequence[Telling], has_path: bool
) -> Malformed | tuple[Telling, int, int]:
    telling = choose(tellings, names, has_path=has_path)
    if isinstance(telling, Malformed):
        return telling
    if telling.is_by_path:
        return telling, -1, -1
    return telling, names.index(telling.method), names.index(telling.uri)


def _positions(names: Sequence[bytes], wanted: bytes) -> Positions:
    return tuple(position for position, name in enumerate(names) if name == wanted)


def _picker(positions: list[int]) -> Callable[[Sequence[Header]], Sequence[Header]]:
    """`itemgetter` gives a sequence only for two and more."""
    if len(positions) > 1:
        return itemgetter(*positions)
    return lambda headers: [headers[position] for position in positions]
