"""One immutable compiled configuration: everything a decision looks up. It is swapped whole or not at all."""

from __future__ import annotations

from msgspec import Struct, field

from gateway_auth.core.credential import CredentialKind
from gateway_auth.core.headers import DEFAULT_STRIPPED, HeaderTable
from gateway_auth.core.issuer import Issuer
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.limits import LimitSet
from gateway_auth.core.network import AddressSet
from gateway_auth.core.policy import NO_NETWORKS, Policy
from gateway_auth.core.rates import Rate
from gateway_auth.core.routes import RouteTable


def _default_headers() -> HeaderTable:
    return HeaderTable(("x-api-key",), "x-forwarded-for", DEFAULT_STRIPPED)


class RuleSet(Struct, frozen=True, kw_only=True):
    """What decisions are made from.

    `brake` limits failed authentications per address; None turns it off. `scopes_of` maps roles to scopes, `plans`
    the plan of an app to its limits. `client_address_style` is the lower-case name of the one header believed.
    `resource` is the identifier clients know this API by (RFC 9728); None: the address they called.
    """

    realm: str = "gateway"
    key_format: KeyFormat = field(default_factory=KeyFormat)
    headers: HeaderTable = field(default_factory=_default_headers)
    trusted_proxies: AddressSet = NO_NETWORKS
    is_unix_peer_trusted: bool = False
    client_address_style: str = "x-forwarded-for"
    is_https_required: bool = False
    max_body_bytes: int = 10_485_760
    policies: tuple[Policy, ...] = ()
    routes: RouteTable = field(default_factory=lambda: RouteTable(()))
    credentials: frozenset[CredentialKind] = frozenset(("api_key",))
    brake: Rate | None = None
    scopes_of: dict[str, tuple[str, ...]] = field(default_factory=dict)
    plans: dict[str, LimitSet] = field(default_factory=dict)
    issuers: tuple[Issuer, ...] = ()
    resource: str | None = None

    def has_slots(self) -> bool:
        """Whether any route or plan limits how many requests are under way at once."""
        return any(policy.limits.slots for policy in self.policies) or any(plan.slots for plan in self.plans.values())
