"""A policy: which requests it is for (match) and what they must bring (demands). It judges nothing itself."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import force_setattr

from gateway_auth.core.credential import CredentialKind
from gateway_auth.core.limits import NO_LIMITS, LimitSet
from gateway_auth.core.network import AddressSet, permitted
from gateway_auth.core.referrer import ReferrerPattern

Access = Literal["required", "optional", "public"]

NO_NETWORKS = AddressSet(())


class Policy(Struct, frozen=True, kw_only=True):
    """One compiled route. `methods` None means all; `upstream` None means the mounted app or the default upstream.
    `timeout_seconds` is how long its response's head is waited for; None: as long as the upstream says.
    `is_metadata` routes are answered by the gateway itself (`core.resource`).

    The last three follow from the rest: the boundaries of where clients may be (None: anywhere), whether being known
    is not enough, and whether any credential header may go on.
    """

    id: str
    path: str
    methods: frozenset[str] | None = None
    access: Access = "required"
    credentials: frozenset[CredentialKind] = frozenset(("api_key",))
    scopes: frozenset[str] = frozenset()
    any_scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    allow_networks: AddressSet = NO_NETWORKS
    deny_networks: AddressSet = NO_NETWORKS
    referrers: tuple[ReferrerPattern, ...] = ()
    limits: LimitSet = NO_LIMITS
    upstream: str | None = None
    timeout_seconds: float | None = None
    strip_credentials: bool = True
    is_websocket: bool = False
    is_preflight_passed: bool = True
    is_shadow: bool = False
    is_metadata: bool = False

    networks: list[int] | None = None
    demands_authorization: bool = False
    may_keep_credentials: bool = False

    def __post_init__(self) -> None:
        force_setattr(self, "networks", permitted(self.allow_networks, self.deny_networks))
        force_setattr(self, "may_keep_credentials", not self.strip_credentials or self.access == "public")
        force_setattr(self, "demands_authorization", bool(self.scopes or self.any_scopes or self.roles))
