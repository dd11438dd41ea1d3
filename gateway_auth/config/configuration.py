"""The compiled configuration: what the program is built from. It knows neither files nor pydantic."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from gateway_auth.config.secret import Secret
from gateway_auth.core.issuer import Issuer
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.core.ruleset import RuleSet
from gateway_auth.core.upstream import Upstream
from gateway_auth.errors import Problem

AskingProxy = Literal["any", "nginx", "traefik", "caddy", "envoy", "haproxy"]

LeakMeasure = Literal["revoke", "disable", "report"]


class ApiKeySettings(Struct, frozen=True, kw_only=True):
    """How API keys are kept. `max_lifetime_days` 0 means for ever. The prefix is in `rules.key_format`."""

    cache_seconds: int = 30
    max_lifetime_days: int = 0
    unused_after_days: int = 90
    rotate_after_days: int = 0
    max_active_per_app: int = 0
    accept_imported: bool = False


class IntrospectionSettings(Struct, frozen=True, kw_only=True):
    """How an issuer is asked about opaque tokens (RFC 7662)."""

    url: str
    client_id: str
    client_secret: Secret
    cache_seconds: int = 30
    negative_cache_seconds: int = 5


class WebhookSettings(Struct, frozen=True, kw_only=True):
    """Somebody who is told of events; `secret` is the key they are signed with."""

    id: str
    url: str
    secret: Secret
    events: tuple[str, ...]


class HandoverSettings(Struct, frozen=True, kw_only=True):
    """Who takes new keys; `secret` is the key the requests are signed with."""

    url: str
    secret: Secret


class IssuerSettings(Struct, frozen=True, kw_only=True):
    """One issuer: the rules its tokens are judged by, and where its keys come from.

    At most one of `is_discovered`, `jwks_url`, `jwks_file` (an absolute path) and `secret` is set; none where tokens
    are introspected only.
    """

    rules: Issuer
    is_discovered: bool = False
    jwks_url: str | None = None
    jwks_file: str | None = None
    secret: Secret | None = None
    introspection: IntrospectionSettings | None = None
    keys_max_age_seconds: int = 3600


class RedisSettings(Struct, frozen=True, kw_only=True):
    """Where all nodes share counters, keys and news of changes. `url` may hold a password."""

    url: str
    timeout_seconds: float = 0.05
    key_prefix: str = "gwa"

    def __repr__(self) -> str:
        return f"RedisSettings(key_prefix={self.key_prefix!r})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("key_prefix", self.key_prefix)]


class ForwardAuthSettings(Struct, frozen=True, kw_only=True):
    """Which proxy asks; `any` is not known beforehand."""

    proxy: AskingProxy = "any"


class DisclosureSettings(Struct, frozen=True, kw_only=True):
    """Who may report leaked secrets, where its public keys are (one of both), and what becomes of what it reports."""

    name: str = "github"
    keys_url: str | None = None
    keys_file: str | None = None
    live: LeakMeasure = "revoke"
    test: LeakMeasure = "report"
    admin: Literal["disable", "report"] = "disable"


class TlsSettings(Struct, frozen=True, kw_only=True):
    """TLS of the standalone server's listener. All files are absolute paths; nobody has read them yet."""

    certificate_file: str
    key_file: str
    min_version: Literal["1.2", "1.3"] = "1.2"
    is_http2: bool = True
    client_ca_file: str | None = None


class SocketSettings(Struct, frozen=True, kw_only=True):
    """A unix socket to listen on: its absolute path and its permissions."""

    path: str
    mode: int = 0o660


class Configuration(Struct, frozen=True, kw_only=True, eq=False):
    """One configuration, complete and without contradiction.

    `listen`, `admin_listen` and `status_listen` are (host, port), an IPv6 host without brackets; where there is a
    `socket`, `listen` is not used. `store_url` is
    `sqlite:////absolute/path` or `postgresql://…` and may hold a password. `anchor_file` is where the head of
    the audit is noted, an absolute path. `source` is the file it was read
    from, None for a mapping. `upstreams` are the groups by name; `default_upstream` and those of routes are such a
    name or an address. `warnings` are what an operator should know and may have meant.
    """

    rules: RuleSet
    peppers: PepperRing
    encryption_key: Secret | None = None
    listen: tuple[str, int] = ("127.0.0.1", 8080)
    admin_listen: tuple[str, int] = ("127.0.0.1", 8081)
    socket: SocketSettings | None = None
    tls: TlsSettings | None = None
    is_reloaded_on_change: bool = True
    status_listen: tuple[str, int] | None = None
    admin_hosts: frozenset[str] = frozenset()
    workers: int = 1
    default_upstream: str | None = None
    upstreams: dict[str, Upstream] = {}
    store_url: str
    anchor_file: str | None = None
    are_denials_audited: bool = False
    max_stale_seconds: int = 60
    api_keys: ApiKeySettings = ApiKeySettings()
    usage_days: int = 90
    webhooks: tuple[WebhookSettings, ...] = ()
    handover: HandoverSettings | None = None
    issuers: tuple[IssuerSettings, ...] = ()
    redis: RedisSettings | None = None
    forward_auth: ForwardAuthSettings | None = None
    disclosure: DisclosureSettings | None = None
    source: str | None = None
    warnings: tuple[Problem, ...] = ()

    def has_limits(self) -> bool:
        """Whether any route or plan limits anything."""
        rules = self.rules
        return any(policy.limits for policy in rules.policies) or any(rules.plans.values())

    def routes_without_upstream(self) -> tuple[str, ...]:
        """Ids of the routes a standalone proxy cannot forward: no upstream is named, nor a default one.

        None where a proxy asks by forward-auth and forwards itself.
        """
        if self.default_upstream is not None or self.forward_auth is not None:
            return ()
        return tuple(policy.id for policy in self.rules.policies if policy.upstream is None and not policy.is_metadata)

    def __repr__(self) -> str:
        # The store's address may hold a password, so fields are shown by choice and never by default.
        return f"Configuration(source={self.source!r}, routes={len(self.rules.policies)})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("source", self.source), ("routes", len(self.rules.policies))]
