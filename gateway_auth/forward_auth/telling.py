"""How proxies name the request they ask about: which headers are whose, and which of them count. It reads no value."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from gateway_auth.config.configuration import AskingProxy
from gateway_auth.core.malformed import Malformed

AUTHORIZE_PATH = b"/.gateway/authorize"
HOST = b"x-forwarded-host"
PROTO = b"x-forwarded-proto"

NOWHERE = Malformed("the proxy does not name the original method and URI; docs/forward-auth.md has its configuration")
_TWICE = Malformed("two kinds of proxy headers name the original request; set forward_auth.proxy to the one that asks")
_ELSEWHERE = Malformed(f"this proxy asks at {AUTHORIZE_PATH.decode()} and nowhere below")


class Telling(Struct, frozen=True):
    """One way to name the original request. `method` and `uri` are empty where it is the request's own.

    `needs_problem_header`: the proxy passes on no body of a refusal, so it is told in a header too.
    """

    method: bytes = b""
    uri: bytes = b""
    needs_problem_header: bool = False

    @property
    def is_by_path(self) -> bool:
        """Whether the original path stands behind `AUTHORIZE_PATH`, and the method is the request's own."""
        return not self.uri

    @property
    def names(self) -> tuple[bytes, ...]:
        """The headers it uses."""
        return () if self.is_by_path else (self.method, self.uri)


X_ORIGINAL = Telling(b"x-original-method", b"x-original-uri", needs_problem_header=True)
X_FORWARDED = Telling(b"x-forwarded-method", b"x-forwarded-uri")
BY_PATH = Telling()

_TELLINGS: dict[AskingProxy, tuple[Telling, ...]] = {
    "any": (X_ORIGINAL, X_FORWARDED, BY_PATH),
    "nginx": (X_ORIGINAL,),
    "haproxy": (X_ORIGINAL,),
    "traefik": (X_FORWARDED,),
    "caddy": (X_FORWARDED,),
    "envoy": (BY_PATH,),
}

DROPPED = frozenset((
    *X_ORIGINAL.names, *X_FORWARDED.names, HOST, PROTO,
    b"connection", b"content-length", b"expect", b"http2-settings", b"keep-alive", b"proxy-connection", b"te",
    b"trailer", b"transfer-encoding", b"upgrade",
))  # fmt: skip
"""What is no part of the original request as it is judged: the words of proxies, and the connection between the two."""


def tellings_of(proxy: AskingProxy) -> tuple[Telling, ...]:
    """The ways that count when this proxy asks. Headers of the others are the client's words and are not read."""
    return _TELLINGS[proxy]


def choose(tellings: Sequence[Telling], names: Collection[bytes], *, has_path: bool) -> Telling | Malformed:
    """The one way in which a question with headers of these names tells the original request, or why none counts.

    `has_path`: something stands behind `AUTHORIZE_PATH`.
    """
    used = [each for each in tellings if (has_path if each.is_by_path else any(name in names for name in each.names))]
    if len(used) > 1:
        return _TWICE
    if not used:
        return _ELSEWHERE if has_path else NOWHERE
    if has_path and not used[0].is_by_path:
        return _ELSEWHERE
    return used[0] if all(name in names for name in used[0].names) else NOWHERE
