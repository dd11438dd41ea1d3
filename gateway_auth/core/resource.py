"""What this API says of itself to clients that look for its issuers (RFC 9728). It reads no request and sends nothing.

A client that is refused learns the address of the metadata from the challenge, and from the metadata who gives out
tokens for what it asked for. So an MCP client, or any other, needs no configuration but the API's address.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from gateway_auth.core.issuer import Issuer
from gateway_auth.core.policy import Policy
from gateway_auth.core.routes import RouteTable

METADATA_PATH = "/.well-known/oauth-protected-resource"
MAX_PATH = 1024
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_TOKENS = frozenset(("jwt", "opaque"))
# What may stand in a quoted string as it is (RFC 9110 section 5.6.4).
_QUOTABLE = re.compile(r"[!#-\[\]-~]+")


def metadata_policies(configured: Iterable[Policy]) -> tuple[Policy, ...]:
    """The public routes the metadata is found at; none where a configured route has that path already."""
    taken = {policy.path for policy in configured}
    return tuple(
        Policy(id=policy_id, path=path, methods=frozenset(("GET", "OPTIONS")), access="public", is_metadata=True)
        for policy_id, path in (
            ("gateway:resource-metadata", METADATA_PATH),
            ("gateway:resource-metadata-of", METADATA_PATH + "/{resource:path}"),
        )
        if path not in taken
    )


def metadata_url(origin: str, path: str) -> str:
    """Where the metadata of the resource at `path` is; `origin` may end in the path of a mount.

    Empty where it cannot be written into a challenge.
    """
    tail = path if path != "/" and len(path) <= MAX_PATH else ""
    url = f"{origin}{METADATA_PATH}{tail}"
    return url if _QUOTABLE.fullmatch(url) else ""


def metadata_url_of(resource: str) -> str:
    """The same for an identifier: the well-known path stands between host and path (RFC 9728 section 3.1)."""
    return metadata_url(*_split(resource))


def _split(resource: str) -> tuple[str, str]:
    """Origin and path of an identifier."""
    scheme, _, rest = resource.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}", slash + path if path else "/"


class ResourceMetadata:
    """Writes the metadata of one configuration."""

    def __init__(self, policies: Iterable[Policy], routes: RouteTable, issuers: Iterable[Issuer], realm: str) -> None:
        self._policies = [policy for policy in policies if policy.credentials & _TOKENS and not policy.is_metadata]
        self._routes = routes
        self._issuers = list(issuers)
        self._realm = realm

    def policies_at(self, path: str) -> list[Policy]:
        """The routes at this path that accept tokens; at the root, all of them."""
        if path == "/":
            return self._policies
        found = {id(policy): policy for method in _METHODS if (policy := self._routes.match(method, path))}
        return [policy for policy in found.values() if policy.credentials & _TOKENS and not policy.is_metadata]

    def policies_of(self, resource: str) -> list[Policy]:
        """The routes an identifier is for: those at its path; all where none is, as a proxy may take the path away.

        Clients ask for every scope they are told of, so they are told of no other routes' scopes.
        """
        return self.policies_at(_split(resource)[1]) or self._policies

    def document(self, resource: str, policies: Iterable[Policy]) -> bytes:
        """The JSON about `resource` (RFC 9728 section 2), for what these routes demand."""
        policies = list(policies)
        kinds = {kind for policy in policies for kind in policy.credentials}
        scopes = {scope for policy in policies for scope in policy.scopes | policy.any_scopes}
        members: dict[str, object] = {
            "resource": resource,
            "resource_name": self._realm,
            "authorization_servers": [issuer.issuer for issuer in self._issuers if _serves(issuer, kinds)],
            "bearer_methods_supported": ["header"],
            "scopes_supported": sorted(scopes),
        }
        # What has no values must not be there (RFC 9728 section 3.2).
        return json.dumps({name: value for name, value in members.items() if value}).encode()


def _serves(issuer: Issuer, kinds: Iterable[str]) -> bool:
    return ("jwt" in kinds and issuer.has_keys) or ("opaque" in kinds and issuer.is_introspected)
