"""API keys and apps as stored, and the compiled form a request is judged by."""

from __future__ import annotations

import re
from math import inf
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from gateway_auth.core import headers as h
from gateway_auth.core.limits import NO_LIMITS, LimitSet
from gateway_auth.core.mobile import is_application_allowed
from gateway_auth.core.network import Address, AddressSet, is_network_allowed
from gateway_auth.core.path import canonical_path
from gateway_auth.core.principal import Principal, build_principal
from gateway_auth.core.referrer import ReferrerPattern, is_referrer_allowed
from gateway_auth.core.request import RequestFacts
from gateway_auth.core.roles import expand_roles

KeyStatus = Literal["active", "disabled", "revoked", "expired"]
StoredStatus = Literal["active", "disabled", "revoked"]


class Grant(Struct, frozen=True):
    """A scope with its own end (UTC epoch seconds; the end itself is already too late)."""

    scope: str
    expires_at: int


class AppRecord(Struct, frozen=True, kw_only=True):
    """A registered app. Times are UTC epoch seconds; `plan` names an entry of `[plans]` or is None."""

    id: str
    name: str
    owner: str = ""
    project: str = ""
    plan: str | None = None
    status: Literal["active", "disabled"] = "active"
    created_at: int
    created_by: str


class KeyRecord(Struct, frozen=True, kw_only=True):
    """An API key as stored. Times are UTC epoch seconds; `digest` is HMAC-SHA-256 under the pepper of `pepper_id`."""

    id: str
    app_id: str
    name: str = ""
    environment: Literal["live", "test"]
    status: StoredStatus = "active"
    digest: bytes
    pepper_id: str
    scopes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()
    not_before: int | None = None
    expires_at: int | None = None
    allow_networks: tuple[str, ...] = ()
    deny_networks: tuple[str, ...] = ()
    allow_referrers: tuple[str, ...] = ()
    allow_android: tuple[str, ...] = ()
    allow_ios: tuple[str, ...] = ()
    allow_requests: tuple[str, ...] = ()
    created_at: int
    created_by: str
    last_used_at: int | None = None
    last_used_address: str | None = None
    rotated_from: str | None = None
    retires_at: int | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    family: str | None = None
    """The key this one descends from by rotations, None for the first: limits count them together."""

    def __repr__(self) -> str:
        return f"KeyRecord(id={self.id!r}, app_id={self.app_id!r}, status={self.status!r})"


def status_at(record: KeyRecord, now: float) -> KeyStatus:
    """The status people see: a key past its expiry is expired, one past its overlap disabled, whatever is stored."""
    if record.status == "revoked":
        return "revoked"
    if record.expires_at is not None and now >= record.expires_at:
        return "expired"
    if record.retires_at is not None and now >= record.retires_at:
        return "disabled"
    return record.status


class RequestPattern:
    """`GET /v1/orders/*`: a method (or `*`) and a path, exact or, with a last `*`, everything that begins so."""

    __slots__ = ("_is_prefix", "_methods", "_path", "text")
    _FORM = re.compile(r"([A-Z][A-Z-]{0,31}|\*) (/\S*)")

    def __init__(self, text: str) -> None:
        """Raises ValueError, saying what to write, for anything else."""
        match = self._FORM.fullmatch(text) if len(text) <= 1024 else None
        if match is None:
            raise ValueError(f'"{text[:64]}" is not a request pattern; write for example "GET /v1/orders/*"')
        method, path = match.groups()
        self.text = text
        self._is_prefix = path.endswith("*")
        self._path = path[:-1] if self._is_prefix else path
        canonical = canonical_path(self._path.encode())
        if "*" in self._path or canonical != self._path:
            raise ValueError(f'"{text[:64]}": write the path in its plain form, with "*" as its last character only')
        self._methods = None if method == "*" else frozenset((method, "HEAD") if method == "GET" else (method,))

    def matches(self, method: str, path: str) -> bool:
        """Whether the request is one of these; HEAD follows GET."""
        if self._methods is not None and method not in self._methods:
            return False
        return path.startswith(self._path) if self._is_prefix else path == self._path


class Restrictions(Struct, frozen=True):
    """Where a credential works. Each rule that is present must be met; an empty one is absent."""

    allow_networks: AddressSet
    deny_networks: AddressSet
    referrers: tuple[ReferrerPattern, ...]
    android: frozenset[str]
    ios: frozenset[str]
    requests: tuple[RequestPattern, ...]

    def is_network_allowed(self, client: Address | None) -> bool:
        """Deny wins; a client without an address meets no network rule."""
        return is_network_allowed(self.allow_networks, self.deny_networks, client)

    def is_referrer_allowed(self, facts: RequestFacts) -> bool:
        """Whether the page the request says it comes from is allowed."""
        return not self.referrers or is_referrer_allowed(
            self.referrers, facts.headers.get(h.ORIGIN), facts.headers.get(h.REFERER)
        )

    def is_application_allowed(self, facts: RequestFacts) -> bool:
        """Whether the mobile app the request says it comes from is allowed."""
        if not self.android and not self.ios:
            return True
        get = facts.headers.get
        return is_application_allowed(
            self.android, self.ios, get(h.ANDROID_PACKAGE), get(h.ANDROID_CERT), get(h.IOS_BUNDLE)
        )

    def is_request_allowed(self, facts: RequestFacts) -> bool:
        """Whether method and path are among those the credential is for."""
        return not self.requests or any(pattern.matches(facts.method, facts.path) for pattern in self.requests)


class VerifiedKey(Struct, frozen=True):
    """A key whose secret was proven, compiled for judging: facts only, never a verdict.

    Usable while `usable_from <= now < usable_until`, unless `is_active` is false (`record.status` tells why).
    `principal` is right until `principal_until`, when the next of its grants ends; from then on ask `principal_at`.
    """

    record: KeyRecord
    app: AppRecord
    principal: Principal
    restrictions: Restrictions | None
    limits: LimitSet
    is_active: bool
    usable_from: float
    usable_until: float
    principal_until: float
    scopes_of: dict[str, tuple[str, ...]]

    def principal_at(self, now: float) -> Principal:
        """The principal with the grants that have not ended by now."""
        return self.principal if now < self.principal_until else _principal(self.record, self.app, self.scopes_of, now)

    def still_is(self, record: KeyRecord, app: AppRecord, now: float) -> bool:
        """Whether compiling these would come to the same. When and from where a key was used judges nothing."""
        mine = self.record
        unused = replace(record, last_used_at=mine.last_used_at, last_used_address=mine.last_used_address)
        return unused == mine and app == self.app and now < self.principal_until


def compile_key(
    record: KeyRecord, app: AppRecord, scopes_of: dict[str, tuple[str, ...]], plans: dict[str, LimitSet], now: float
) -> VerifiedKey:
    """The judging form of a stored key. Raises ValueError for a rule that cannot be read: such a key is unusable."""
    ends = [end for end in (record.expires_at, record.retires_at) if end is not None]
    return VerifiedKey(
        record=record,
        app=app,
        principal=_principal(record, app, scopes_of, now),
        restrictions=_restrictions(record),
        limits=_plan_limits(app, plans),
        is_active=record.status == "active" and app.status == "active",
        usable_from=record.not_before if record.not_before is not None else -inf,
        usable_until=min(ends) if ends else inf,
        principal_until=min((grant.expires_at for grant in record.grants if now < grant.expires_at), default=inf),
        scopes_of=scopes_of,
    )


def _plan_limits(app: AppRecord, plans: dict[str, LimitSet]) -> LimitSet:
    if app.plan is None:
        return NO_LIMITS
    if app.plan not in plans:
        # Without its limits the app would be unlimited: absence is not permission.
        raise ValueError(f'app {app.id} is on plan "{app.plan}", which the configuration does not define')
    return plans[app.plan]


def _restrictions(record: KeyRecord) -> Restrictions | None:
    rules = (
        record.allow_networks, record.deny_networks, record.allow_referrers,
        record.allow_android, record.allow_ios, record.allow_requests,
    )  # fmt: skip
    if not any(rules):
        return None
    return Restrictions(
        allow_networks=AddressSet(record.allow_networks),
        deny_networks=AddressSet(record.deny_networks),
        referrers=tuple(ReferrerPattern(text) for text in record.allow_referrers),
        android=frozenset(record.allow_android),
        ios=frozenset(record.allow_ios),
        requests=tuple(RequestPattern(text) for text in record.allow_requests),
    )


def _principal(record: KeyRecord, app: AppRecord, scopes_of: dict[str, tuple[str, ...]], now: float) -> Principal:
    granted = [*record.scopes, *(grant.scope for grant in record.grants if now < grant.expires_at)]
    return build_principal(
        subject=app.owner or app.id,
        method="api_key",
        scopes=expand_roles(granted, record.roles, scopes_of),
        roles=frozenset(record.roles),
        app_id=app.id,
        key_id=record.id,
        key_counted_as=record.family or record.id,
        display_name=record.name or app.name,
    )
