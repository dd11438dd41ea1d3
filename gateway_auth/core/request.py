"""The only view of a request the rest of the core may see. It knows nothing of ASGI, sockets or headers' order."""

from __future__ import annotations

from msgspec import Struct

from gateway_auth.core import headers as h
from gateway_auth.core.network import Address


class RequestFacts(Struct, frozen=True, gc=False):
    """What a decision may depend on.

    `path` is canonical and relative to the mount point. `client` is an address (`core.network`) or None where the
    transport has none (a unix socket). `headers` holds, by kind (`core.headers`), the raw values of the headers that
    mean something here; a kind that is missing was absent. `body_bytes` is the declared length of the body, None when
    it is not declared though a body may come.
    """

    method: str
    path: str
    query: bytes
    client: Address | None
    headers: dict[int, bytes]
    is_tls: bool = False
    is_websocket: bool = False
    body_bytes: int | None = 0

    @property
    def preflight_method(self) -> str | None:
        """The method a CORS preflight asks for (Fetch standard: OPTIONS, Origin, Access-Control-Request-Method)."""
        if self.method != "OPTIONS" or h.ORIGIN not in self.headers:
            return None
        asked_for = self.headers.get(h.PREFLIGHT_METHOD)
        return asked_for.decode("latin-1") if asked_for else None
