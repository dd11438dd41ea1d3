"""The request a proxy asks about: from the proxy's own request to the scope the client's would have had.

Whoever writes the headers read here says who may do what. So they count only from a trusted proxy, only those of one
kind of proxy, each exactly once; whatever is missing, repeated or told twice is refused and never guessed.
"""

from __future__ import annotations

from urllib.parse import unquote

from msgspec import Struct

from gateway_auth.asgi.scope import read_peer
from gateway_auth.asgi.types import Header, Scope
from gateway_auth.config import Configuration
from gateway_auth.core.malformed import Malformed
from gateway_auth.forward_auth.telling import AUTHORIZE_PATH, DROPPED, HOST, PROTO, Telling, tellings_of

ASKED = "gateway_auth.asked"
"""Marks the scope of a request that a proxy asks about: it is to be answered, not forwarded."""

_OVER_TLS = frozenset((b"https", b"wss"))
_HANDSHAKE = frozenset((b"sec-websocket-key", b"sec-websocket-version"))

_TWICE = Malformed("two kinds of proxy headers name the original request; set forward_auth.proxy to the one that asks")
_NOWHERE = Malformed("the proxy does not name the original method and URI; docs/forward-auth.md has its configuration")
_ELSEWHERE = Malformed(f"this proxy asks at {AUTHORIZE_PATH.decode()} and nowhere below")
_REPEATED = Malformed("a header that names the original request came more than once")
_NO_HOST = Malformed("the Host header is missing, repeated or not a host")
_BAD_UPGRADE = Malformed("only a GET can open a WebSocket")
_NO_RAW_PATH = Malformed("the server gave no raw path")


class Original(Struct, frozen=True):
    """`scope` is the client's request; `needs_problem_header`: the proxy that asks cannot pass on a body."""

    scope: Scope
    needs_problem_header: bool


class OriginalReader:
    """Reads what proxies ask, under one configuration."""

    def __init__(self, configuration: Configuration) -> None:
        settings = configuration.forward_auth
        self._rules = configuration.rules
        self._address_header = self._rules.client_address_style.encode("ascii")
        self._tellings = tellings_of(settings.proxy if settings is not None else "any")
        self._told_by = frozenset(name for telling in self._tellings for name in telling.names) | {HOST, PROTO}

    def trusts(self, scope: Scope) -> bool:
        """Whether the peer is a proxy whose word counts."""
        peer = scope.get("client")
        return read_peer(self._rules, peer[0] if peer else None)[1]

    def read(self, scope: Scope) -> Original | Malformed:
        """The request a trusted proxy asks about."""
        told: dict[bytes, bytes] = {}
        kept: list[Header] = []
        for name, value in scope["headers"]:
            if name in self._told_by:
                if name in told and name != PROTO:
                    return _REPEATED
                # A scheme told twice is no scheme: what is not clearly TLS counts as none.
                told[name] = value.strip(b" \t") if name not in told else b""
            elif name not in DROPPED:
                kept.append((name, value))
        raw_path = scope.get("raw_path")
        if not raw_path:
            return _NO_RAW_PATH
        below = raw_path[len(AUTHORIZE_PATH) :]
        telling = self._telling(told, has_path=bool(below))
        if not isinstance(telling, Telling):
            return telling
        if telling.is_by_path:
            return self._build(scope, telling, scope.get("method", "GET"), below, scope["query_string"], told, kept)
        method = told[telling.method].decode("latin-1")
        path, _, query = told[telling.uri].partition(b"?")
        return self._build(scope, telling, method, path, query, told, kept)

    def _telling(self, told: dict[bytes, bytes], *, has_path: bool) -> Telling | Malformed:
        """The one way in which the original request is named."""
        used = [telling for telling in self._tellings if telling.is_used(told, has_path=has_path)]
        if len(used) > 1:
            return _TWICE
        if not used:
            return _ELSEWHERE if has_path else _NOWHERE
        if has_path and not used[0].is_by_path:
            return _ELSEWHERE
        return used[0] if used[0].is_complete(told) else _NOWHERE

    def _build(
        self,
        scope: Scope,
        telling: Telling,
        method: str,
        path: bytes,
        query: bytes,
        told: dict[bytes, bytes],
        kept: list[Header],
    ) -> Original | Malformed:
        headers = _with_host(kept, None if telling.is_by_path else told.get(HOST))
        if headers is None:
            return _NO_HOST
        is_tls = told.get(PROTO, b"").lower() in _OVER_TLS
        is_websocket = scope["type"] == "websocket" or _opens_websocket(scope["headers"])
        if is_websocket and method != "GET":
            return _BAD_UPGRADE
        original: Scope = {
            "type": "websocket" if is_websocket else "http",
            "asgi": scope["asgi"],
            "http_version": "1.1",
            "method": method,
            "scheme": ("ws" if is_websocket else "http") + ("s" if is_tls else ""),
            "path": unquote(path.decode("latin-1")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": headers,
            # A client nobody names is unknown: it must not count as the proxy, whom network rules may let in.
            "client": scope.get("client") if self._names_client(kept) else None,
            "server": scope.get("server"),
            "extensions": {"websocket.http.response": {}},
            ASKED: True,
        }
        return Original(original, telling.needs_problem_header)

    def _names_client(self, headers: list[Header]) -> bool:
        return any(name == self._address_header and value.strip(b" \t") for name, value in headers)


def _with_host(headers: list[Header], told: bytes | None) -> list[Header] | None:
    """The headers with the one Host that counts: what the proxy told apart from it, else the Host itself."""
    hosts = [value for name, value in headers if name == b"host"]
    if told is None and len(hosts) != 1:
        return None
    host = told if told is not None else hosts[0]
    return [(b"host", host), *(pair for pair in headers if pair[0] != b"host")]


def _opens_websocket(headers: list[Header]) -> bool:
    """Whether it is, or may become, a WebSocket handshake. Some proxies keep Upgrade to themselves when they ask."""
    return any(name in _HANDSHAKE or (name == b"upgrade" and b"websocket" in value.lower()) for name, value in headers)
