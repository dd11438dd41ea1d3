"""What operators write about routes, limits and plans. Fields are checked against the fields above them."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from gateway_auth.config.networks import EVERYBODY, covers
from gateway_auth.config.values import (
    DemandedScope,
    Method,
    Name,
    Network,
    RateText,
    Referrer,
    Role,
    Template,
    Upstream,
    without_repeats,
)
from gateway_auth.core.credential import CredentialKind
from gateway_auth.core.limit_choices import LimitBy, OnUnavailable
from gateway_auth.core.policy import Access
from gateway_auth.core.rates import MAX_COUNT, parse_rate
from gateway_auth.core.slots import MAX_SLOTS

_OF_A_PRINCIPAL = frozenset(("key", "app", "subject"))


class Table(BaseModel):
    """A table of the configuration: no other keys than these, no guessing at types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class LimitTable(Table):
    """One limit of a route or plan."""

    rate: RateText | None = Field(
        default=None,
        description="How much in what time: `100/minute`, `10/5 seconds`; "
        "`5/second burst 20` is a token bucket, "
        "`1000/day fixed` a quota aligned to UTC.",
        examples=["100/minute"],
    )
    by: LimitBy = Field(
        description="What is counted separately. Anonymous requests count by address; an IPv6 address by its /64.",
        examples=["key"],
    )
    in_flight: int | None = Field(
        default=None,
        ge=1,
        le=MAX_SLOTS,
        description="Instead of `rate`: how many requests may be under way at once.",
    )
    id: Name | None = Field(
        default=None,
        description="Its name in the RateLimit headers. Made from the other keys when absent: `key-100-per-minute`, "
        "`key-5-in-flight`.",
    )
    cost: int = Field(default=1, ge=1, le=MAX_COUNT, description="What one request takes.")
    on_unavailable: OnUnavailable = Field(
        default="local",
        description="While the shared counters cannot be reached: this node's fair share, 503, or no limit.",
    )
    mode: Literal["exact", "leased"] = Field(
        default="exact",
        description="`exact` is never exceeded on any number of nodes; `leased` lets workers take shares in advance.",
    )

    @field_validator("cost")
    @classmethod
    def _fits(cls, cost: int, info: ValidationInfo) -> int:
        rate = info.data.get("rate")
        capacity = parse_rate(rate).capacity if rate is not None else 0
        if capacity and cost > capacity:
            raise ValueError(f"is more than the rate ever has room for ({capacity}): every request would be refused")
        return cost

    @model_validator(mode="after")
    def _limits_one_thing(self) -> Self:
        if (self.rate is None) == (self.in_flight is None):
            raise ValueError('needs one of the two, rate = "100/minute" or in_flight = 5, and not both')
        if self.in_flight is not None and "cost" in self.model_fields_set:
            raise ValueError("in_flight counts requests, which all cost the same; remove cost")
        if self.in_flight is not None and self.mode != "exact":
            raise ValueError(f'in_flight is always exact; remove mode = "{self.mode}"')
        return self

    @property
    def name(self) -> str:
        """The limit's id, written or made."""
        if self.id is not None:
            return self.id
        if self.rate is None:
            return f"{self.by}-{self.in_flight}-in-flight"
        words = re.sub(r"\s*/\s*", " per ", f"{self.by} {self.rate.strip()}")
        return "-".join(words.split())


class PlanTable(Table):
    """What an app on this plan may use."""

    limits: list[LimitTable] = Field(
        default=[], description="Limits of the app, shared by all its keys and kept across rotation."
    )


class RouteTable(Table):
    """One route: which requests it is for, and what they must bring."""

    id: Name = Field(description="Its name in logs, metrics and messages.", examples=["orders-read"])
    path: Template = Field(
        description="`{name}` is one segment; `{name:path}` as the last is all that is left.",
        examples=["/v1/orders/{id}"],
    )
    methods: list[Method] | None = Field(
        default=None,
        min_length=1,
        description="Methods it is for; HEAD follows GET. All when absent.",
        examples=[["GET"]],
    )
    access: Access = Field(
        default="required",
        description="`required`: a credential. `optional`: none passes as anonymous, a bad one never. "
        "`public`: credentials are not looked at.",
    )
    credentials: list[CredentialKind] | None = Field(
        default=None,
        min_length=1,
        description="Kinds of credentials accepted. All configured kinds when absent.",
    )
    scopes: list[DemandedScope] = Field(default=[], description="All of these scopes are needed.")
    any_scopes: list[DemandedScope] = Field(default=[], description="At least one of these scopes is needed.")
    roles: list[Role] = Field(default=[], description="At least one of these roles is needed.")
    allow_networks: list[Network] = Field(
        default=[], description="Networks requests may come from. Every network when empty."
    )
    deny_networks: list[Network] = Field(
        default=[], description="Networks requests may not come from. Deny wins over allow."
    )
    allow_referrers: list[Referrer] = Field(
        default=[],
        description="Web pages requests may come from, `https://*.example.com/console/*`; `*.` is one label.",
    )
    limits: list[LimitTable] = Field(default=[], description="Taken together: if one refuses, none is charged.")
    upstream: Upstream | None = Field(
        default=None, description="Where the standalone proxy forwards to, an address or the name of a group. "
        "`gateway.upstream` when absent.",
    )  # fmt: skip
    timeout_seconds: float | None = Field(
        default=None, gt=0, le=3600, allow_inf_nan=False,
        description="How long the standalone proxy waits for the head of the upstream's response on this route.",
    )  # fmt: skip
    strip_credentials: bool = Field(default=True, description="Remove the credential before forwarding.")
    websocket: bool = Field(
        default=False,
        description="Judge a WebSocket upgrade as GET and let it pass; otherwise it is refused. See websockets.md.",
    )
    preflight: Literal["pass", "deny"] = Field(
        default="pass",
        description="A CORS preflight: `pass` forwards it as anonymous, `deny` judges it like any request.",
    )
    mode: Literal["enforce", "shadow"] = Field(
        default="enforce", description="`shadow`: count and log what would have been denied, and let it pass."
    )

    @field_validator("scopes", "any_scopes", "roles")
    @classmethod
    def _asks_somebody(cls, demanded: list[str], info: ValidationInfo) -> list[str]:
        access = info.data.get("access")
        if demanded and access == "public":
            raise ValueError('contradicts access = "public", where nobody is known; write access = "required"')
        if demanded and access == "optional":
            raise ValueError(
                'contradicts access = "optional": no anonymous caller could pass; write access = "required"'
            )
        return without_repeats(demanded)

    @field_validator("methods", "credentials")
    @classmethod
    def _lists_each_once(cls, listed: list[str] | None) -> list[str] | None:
        return listed if listed is None else without_repeats(listed)

    @field_validator("deny_networks")
    @classmethod
    def _leaves_somebody(cls, denied: list[str], info: ValidationInfo) -> list[str]:
        allowed = info.data.get("allow_networks", EVERYBODY)
        if denied and covers(denied, allowed or EVERYBODY):
            raise ValueError("covers all that allow_networks allows; deny wins, so no request could pass")
        return denied

    @field_validator("limits")
    @classmethod
    def _counts_somebody(cls, limits: list[LimitTable], info: ValidationInfo) -> list[LimitTable]:
        counted = [limit.by for limit in limits if limit.by in _OF_A_PRINCIPAL]
        if counted and info.data.get("access") == "public":
            raise ValueError(
                f'by = "{counted[0]}" contradicts access = "public", where nobody is known; count by "address"'
            )
        return limits

    @field_validator("websocket")
    @classmethod
    def _is_judged_as_get(cls, websocket: bool, info: ValidationInfo) -> bool:
        methods = info.data.get("methods")
        if websocket and methods and "GET" not in methods:
            raise ValueError("an upgrade is judged as GET, which methods does not name; add it")
        return websocket
