"""Where a refused client learns who gives out tokens: the address for challenges, and the answer at it (RFC 9728)."""

from __future__ import annotations

from urllib.parse import unquote

from gateway_auth.asgi.scope import Reading
from gateway_auth.asgi.types import SCOPE_KEY, Header, Receive, Scope, Send
from gateway_auth.core import headers as h
from gateway_auth.core.decision import Deny, Reason
from gateway_auth.core.resource import METADATA_PATH, ResourceMetadata, metadata_url, metadata_url_of
from gateway_auth.core.ruleset import RuleSet

# The metadata is public and the same for everybody: a page of any origin may read it, whatever headers it adds.
_FROM_ANYWHERE = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET"),
    (b"access-control-allow-headers", b"*"),
    (b"vary", b"host"),
)


class ResourceGuide:
    """The metadata of one configuration, as seen from the address a request came to; an ASGI app behind the gate."""

    def __init__(self, rules: RuleSet) -> None:
        self._fixed = rules.resource
        self._marker = rules.key_format.marker.decode("ascii")
        self._has_issuers = bool(rules.issuers)
        self._metadata = ResourceMetadata(rules.policies, rules.routes, rules.issuers, rules.realm)

    def url_for(self, scope: Scope, reading: Reading) -> str:
        """Where the metadata of what was asked for is; empty where there is none, or the request has no host."""
        if not self._has_issuers:
            return ""
        if self._fixed is not None:
            return metadata_url_of(self._fixed)
        base, path = _base(scope, reading), reading.facts.path
        return metadata_url(base, path) if base and not self._may_hold_key(base + path) else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that was admitted to one of the metadata's routes."""
        exchange = scope[SCOPE_KEY]
        reading = exchange.reading
        if reading.facts.method == "OPTIONS":
            await _send(send, 204, _FROM_ANYWHERE, b"")
            return
        body = self._document(scope, reading)
        if body is None:
            exchange.denial = Deny(Reason.NO_MATCHING_ROUTE)
            return
        headers = (
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"max-age=300"),
            *_FROM_ANYWHERE,
        )
        await _send(send, 200, headers, b"" if reading.facts.method == "HEAD" else body)

    def _document(self, scope: Scope, reading: Reading) -> bytes | None:
        path = reading.facts.path.removeprefix(METADATA_PATH) or "/"
        if self._fixed is not None:
            return self._metadata.document(self._fixed, self._metadata.policies_of(self._fixed))
        policies, base = self._metadata.policies_at(path), _base(scope, reading)
        if not policies or not base or self._may_hold_key(base + path):
            return None
        return self._metadata.document(base if path == "/" else base + path, policies)

    def _may_hold_key(self, text: str) -> bool:
        """What a client put in the wrong place must not be repeated to it, into whatever keeps its answers."""
        return self._marker in text or self._marker in unquote(text)


def _base(scope: Scope, reading: Reading) -> str:
    """Scheme, host and mount point of the request; empty without a Host."""
    host = reading.facts.headers.get(h.HOST)
    if not host:
        return ""
    scheme = "https" if reading.facts.is_tls else "http"
    mount = reading.path.removesuffix(reading.facts.path) if scope.get("root_path") else ""
    return f"{scheme}://{host.decode('ascii', 'replace')}{mount}"


async def _send(send: Send, status: int, headers: tuple[Header, ...], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})
