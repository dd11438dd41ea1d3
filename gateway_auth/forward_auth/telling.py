"""How proxies name the request they ask about: which headers are whose. It reads no request."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from gateway_auth.config.configuration import AskingProxy

AUTHORIZE_PATH = b"/.gateway/authorize"
HOST = b"x-forwarded-host"
PROTO = b"x-forwarded-proto"


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

    def is_used(self, told: Mapping[bytes, bytes], *, has_path: bool) -> bool:
        """Whether any part of the request names the original in this way."""
        return has_path if self.is_by_path else any(name in told for name in self.names)

    def is_complete(self, told: Mapping[bytes, bytes]) -> bool:
        """Whether nothing is missing."""
        return all(told.get(name) for name in self.names)


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
