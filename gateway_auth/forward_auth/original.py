"""The request a proxy asks about: from the proxy's own request to the scope the client's would have had.

Whoever writes the headers read here says who may do what. So they count only from a trusted proxy, only those of one
kind of proxy, each exactly once; whatever is missing, repeated or told twice is refused and never guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from operator import itemgetter
from urllib.parse import unquote

from msgspec import Struct

from gateway_auth.asgi.scope import is_told_tls, read_peer
from gateway_auth.asgi.types import Header, Scope
from gateway_auth.config import Configuration
from gateway_auth.core.malformed import Malformed
from gateway_auth.core.memo import Memo
from gateway_auth.core.network import Address
from gateway_auth.forward_auth.shape import QuestionShape
from gateway_auth.forward_auth.telling import AUTHORIZE_PATH, NOWHERE, Telling, tellings_of

ASKED = "gateway_auth.asked"
"""Marks the scope of a request that a proxy asks about: it is to be answered, not forwarded."""

_BLANKS = b" \t"
_SEPARATOR = b"\x00"
_NAME = itemgetter(0)

_NO_HOST = Malformed("the Host header is missing, repeated or not a host")
_BAD_UPGRADE = Malformed("only a GET can open a WebSocket")
_NO_RAW_PATH = Malformed("the server gave no raw path")


class Original(Struct, frozen=True):
    """`scope` is the client's request; `needs_problem_header`: the proxy that asks cannot pass on a body."""

    scope: Scope
    needs_problem_header: bool


class OriginalReader:
    """Reads what proxies ask, under one configuration. What it remembers is bounded and follows from names alone."""

    def __init__(self, configuration: Configuration) -> None:
        settings = configuration.forward_auth
        rules = configuration.rules
        self._address_header = rules.client_address_style.encode("ascii")
        self._tellings = tellings_of(settings.proxy if settings is not None else "any")
        self._shapes: Memo[bytes, QuestionShape] = Memo(self._shape, max_entries=256, max_length=1024)
        self._peers: Memo[str | None, tuple[Address | None, bool]] = Memo(partial(read_peer, rules))

    def _shape(self, names: bytes) -> QuestionShape:
        return QuestionShape(names.split(_SEPARATOR), self._tellings, self._address_header)

    def trusts(self, scope: Scope) -> bool:
        """Whether the peer is a proxy whose word counts."""
        peer = scope.get("client")
        return self._peers[peer[0] if peer else None][1]

    def read(self, scope: Scope) -> Original | Malformed:
        """The request a trusted proxy asks about."""
        headers = scope["headers"]
        shape = self._shapes[_SEPARATOR.join(map(_NAME, headers))]
        if shape.count != len(headers):
            # A separator within a name: no two sequences may be taken for one.
            shape = QuestionShape([name for name, _ in headers], self._tellings, self._address_header)
        raw_path = scope.get("raw_path")
        if not raw_path:
            return _NO_RAW_PATH
        below = raw_path[len(AUTHORIZE_PATH) :]
        found = shape.telling[1 if below else 0]
        if not isinstance(found, tuple):
            return found
        telling, method_at, uri_at = found
        if telling.is_by_path:
            return _original(scope, shape, telling, scope.get("method", "GET"), below, scope["query_string"])
        method = headers[method_at][1].strip(_BLANKS).decode("latin-1")
        uri = headers[uri_at][1].strip(_BLANKS)
        if not method or not uri:
            return NOWHERE
        path, _, query = uri.partition(b"?")
        return _original(scope, shape, telling, method, path, query)


def _original(
    scope: Scope, shape: QuestionShape, telling: Telling, method: str, path: bytes, query: bytes
) -> Original | Malformed:
    headers: Sequence[Header] = scope["headers"]
    # Where the question is the request itself, so is its Host.
    at = shape.hosts if telling.is_by_path or not shape.told_hosts else shape.told_hosts
    if len(at) != 1:
        return _NO_HOST
    is_tls = len(shape.protos) == 1 and is_told_tls(headers[shape.protos[0]][1])
    is_websocket = scope["type"] == "websocket" or _opens_websocket(shape, headers)
    if is_websocket and method != "GET":
        return _BAD_UPGRADE
    is_client_named = False
    for position in shape.addresses:
        is_client_named = is_client_named or bool(headers[position][1].strip(_BLANKS))
    text = path.decode("latin-1")
    original: Scope = {
        "type": "websocket" if is_websocket else "http",
        "asgi": scope["asgi"],
        "http_version": "1.1",
        "method": method,
        "scheme": ("ws" if is_websocket else "http") + ("s" if is_tls else ""),
        "path": unquote(text) if "%" in text else text,
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(b"host", headers[at[0]][1].strip(_BLANKS)), *shape.keep(headers)],
        # A client nobody names is unknown: it must not count as the proxy, whom network rules may let in.
        "client": scope.get("client") if is_client_named else None,
        "server": scope.get("server"),
        "extensions": {"websocket.http.response": {}},
        ASKED: True,
    }
    return Original(original, telling.needs_problem_header)


def _opens_websocket(shape: QuestionShape, headers: Sequence[Header]) -> bool:
    """Whether it is, or may become, a WebSocket handshake. Some proxies keep Upgrade to themselves when they ask."""
    if not shape.upgrades:
        return shape.has_handshake
    return shape.has_handshake or any(b"websocket" in headers[at][1].lower() for at in shape.upgrades)
