"""What operators write: every key with its type, default and meaning. The reference is made from it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from gateway_auth.config.addresses import collide, parse_listen, socket_path
from gateway_auth.config.header_names import names_folded
from gateway_auth.config.networks import believes_everybody
from gateway_auth.config.schema_disclosure import DisclosureTable
from gateway_auth.config.schema_forward_auth import ForwardAuthTable
from gateway_auth.config.schema_issuers import IssuerTable, RedisTable
from gateway_auth.config.schema_records import AuditTable, UsageTable
from gateway_auth.config.schema_routes import PlanTable, RouteTable, Table
from gateway_auth.config.schema_tls import SocketMode, TlsTable
from gateway_auth.config.schema_upstreams import UpstreamTable
from gateway_auth.config.schema_webhooks import HandoverTable, WebhookTable
from gateway_auth.config.values import (
    AddressHeader,
    GrantedScope,
    HostName,
    KeyHeader,
    Listen,
    ListenOrSocket,
    Prefix,
    Proxy,
    RateText,
    Realm,
    Reference,
    StoreUrl,
    StrippedHeader,
    Upstream,
    WebAddress,
    without_repeats,
)
from gateway_auth.core.headers import DEFAULT_STRIPPED
from gateway_auth.core.network import UNIX_PEER
from gateway_auth.core.rates import parse_rate


class FailedAuthTable(Table):
    """The brake on guessing credentials."""

    rate: RateText = Field(
        default="20/minute", description="How many failures are let through.", examples=["20/minute"]
    )
    by: Literal["address"] = Field(
        default="address", description="Failures are counted by address, an IPv6 one by its /64."
    )

    @field_validator("rate")
    @classmethod
    def _lets_some_through(cls, rate: str) -> str:
        if parse_rate(rate).count == 0:
            raise ValueError("a count of 0 would lock everybody out; write false to turn the brake off")
        return rate


def _false_is_off(value: object) -> object:
    """`false` becomes None; everything that is neither false nor a table is refused in words."""
    if value is False:
        return None
    if not isinstance(value, dict | FailedAuthTable):
        raise ValueError('must be false or a table; write { rate = "20/minute", by = "address" }')
    return value


class GatewayTable(Table):
    """The gateway itself."""

    realm: Realm = Field(default="gateway", description="What the credentials are for, as challenges name it.")
    listen: ListenOrSocket = Field(
        default="127.0.0.1:8080", description="Where requests are served; `unix:PATH` is a unix socket."
    )
    listen_mode: SocketMode = Field(default="0660", description="Permissions of a unix socket, as for chmod.")
    tls: TlsTable | None = Field(default=None, description="TLS on `listen`; plain when absent.")
    reload_on_change: bool = Field(
        default=True, description="`serve` reads configuration, secret and TLS files again when one changes."
    )
    admin_listen: Listen = Field(
        default="127.0.0.1:8081",
        description="Where `gateway-auth admin` serves the admin API and its metrics; never on `listen`.",
    )
    status_listen: Listen | None = Field(
        default=None,
        description="Where `serve` tells of all its workers together: `/metrics` for Prometheus, `/healthz` and "
        "`/readyz`. Nowhere when absent.",
        examples=["127.0.0.1:9090"],
    )
    admin_hosts: list[HostName] = Field(
        default=[],
        description="Names the admin plane may be called by, besides addresses, `localhost` and the host of "
        "`admin_listen`.",
        examples=[["gateway-admin.internal"]],
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="Processes that serve. With `[redis]` they count limits together; without, each by itself.",
    )
    upstream: Upstream | None = Field(
        default=None, description="Where the standalone proxy forwards to when a route names no upstream: an address, "
        "or the name of a group in `[upstreams.NAME]`.",
        examples=["http://127.0.0.1:9000"],
    )  # fmt: skip
    resource: WebAddress | None = Field(
        default=None, description="The address clients know this API by, told to those who look for its issuers "
        "(RFC 9728). The address they called when absent.",
        examples=["https://api.example.com"],
    )  # fmt: skip
    trusted_proxies: list[Proxy] = Field(
        default=[],
        description="Networks whose forwarding header is believed; nobody by "
        "default. `unix` believes peers of a unix socket.",
    )
    client_address_header: AddressHeader = Field(
        default="x-forwarded-for",
        description="The one header a trusted proxy names the client in: this, "
        "`forwarded`, or one with a single value.",
    )
    require_https: bool = Field(default=False, description="Refuse requests that did not arrive over TLS.")
    max_body_bytes: int = Field(
        default=10_485_760,
        ge=1,
        le=2**40,
        description="Longer request bodies get 413; through the proxy, longer WebSocket messages end with 1009.",
    )
    failed_auth: Annotated[FailedAuthTable | None, BeforeValidator(_false_is_off)] = Field(
        default=FailedAuthTable(), description="The brake on guessing credentials; `false` turns it off."
    )
    strip_headers: list[StrippedHeader] = Field(
        default=list(DEFAULT_STRIPPED),
        description="Request headers that are never forwarded, in any letter "
        "case and with `_` for `-`; `*` ends a "
        "family. `x-auth-*` is removed whatever is written here.",
    )

    @field_validator("admin_listen")
    @classmethod
    def _stands_apart(cls, admin: str, info: ValidationInfo) -> str:
        listen = info.data.get("listen")
        if listen is not None and socket_path(listen) is None and collide(parse_listen(listen), parse_listen(admin)):
            raise ValueError(f'is the same socket as listen ("{listen}"); the admin plane needs a port of its own')
        return admin

    @field_validator("status_listen")
    @classmethod
    def _is_no_other(cls, status: str | None, info: ValidationInfo) -> str | None:
        for name in ("listen", "admin_listen"):
            other = info.data.get(name)
            if status is not None and other is not None and collide(parse_listen(other), parse_listen(status)):
                raise ValueError(f'is the same socket as {name} ("{other}"); it needs a port of its own')
        return status

    @field_validator("trusted_proxies")
    @classmethod
    def _trusts_somebody(cls, proxies: list[str]) -> list[str]:
        if believes_everybody(proxy for proxy in proxies if proxy != UNIX_PEER):
            raise ValueError("would believe everybody about where a request comes from; name the proxies' own networks")
        return proxies


class StoreTable(Table):
    """Where apps, keys and the audit are kept."""

    url: StoreUrl = Field(
        default="sqlite:///gateway.db",
        description="`sqlite:///path` or `postgresql://user:password@host/database`; where it holds a password, "
        "`env:NAME` or `file:PATH` of the whole address.",
    )
    max_stale_seconds: int = Field(
        default=60,
        ge=0,
        le=300,
        description="How long cached keys serve while the store is unreachable; then 503.",
    )


class SecretsTable(Table):
    """References to secrets: `env:NAME` or `file:PATH`."""

    pepper: Reference = Field(
        description="Keys the digest of every API key; at least 32 bytes.",
        examples=["env:GATEWAY_AUTH_PEPPER"],
    )
    previous_peppers: list[Reference] = Field(
        default=[],
        description="Still verify; a key is digested anew with the current pepper when it is used.",
    )
    encryption_key: Reference | None = Field(
        default=None,
        description="32 bytes in base64; seals what leaves the process.",
        examples=["env:GATEWAY_AUTH_ENCRYPTION_KEY"],
    )


class ApiKeysTable(Table):
    """API keys."""

    prefix: Prefix = Field(default="gwk", description="What every key begins with; keys of another prefix are unknown.")
    headers: list[KeyHeader] = Field(
        default=["x-api-key"],
        description="Headers a key may come in, besides `Authorization: Bearer` and `Authorization: ApiKey`.",
    )
    cache_seconds: int = Field(
        default=30, ge=0, le=3600, description="How long a key is kept in memory; changes reach it at once."
    )
    max_lifetime_days: int = Field(
        default=0, ge=0, le=36500, description="The longest a new key may live; 0 is for ever."
    )
    accept_imported: bool = Field(
        default=False,
        description="Keys that were issued elsewhere and imported (`keys import`) are accepted.",
    )
    unused_after_days: int = Field(
        default=90, ge=1, le=36500, description="A key not used for so long counts as unused."
    )
    rotate_after_days: int = Field(
        default=0, ge=0, le=36500, description="A key older than this is due for rotation; 0 is no age."
    )
    max_active_per_app: int = Field(
        default=0, ge=0, le=100_000,
        description="How many active keys an app may have; 0 is any number. Keys being replaced do not count.",
    )  # fmt: skip

    @field_validator("headers")
    @classmethod
    def _lists_each_once(cls, headers: list[str]) -> list[str]:
        without_repeats(names_folded(headers))
        return headers


class Document(Table):
    """The whole configuration."""

    gateway: GatewayTable = Field(default=GatewayTable(), description="The gateway itself.")
    store: StoreTable = Field(default=StoreTable(), description="Where apps, keys and the audit are kept.")
    audit: AuditTable = Field(default=AuditTable(), description="The audit.")
    redis: RedisTable | None = Field(
        default=None,
        description="Where workers and nodes count limits, share keys and tell each other of changes. "
        "In process when absent.",
    )
    secrets: SecretsTable = Field(description="References to secrets.")
    api_keys: ApiKeysTable = Field(default=ApiKeysTable(), description="API keys.")
    forward_auth: ForwardAuthTable | None = Field(
        default=None,
        description="Answers at `/.gateway/authorize` for a proxy that asks before it forwards. With this table routes "
        "need no upstream; without it the endpoint answers all the same, and every route needs one.",
    )
    disclosure: DisclosureTable | None = Field(
        default=None,
        description="Signed reports of leaked secrets are taken at `/.gateway/disclosure`, of GitHub's secret scanning "
        "or a scanner of your own. Not when absent; an empty table is for GitHub.",
    )
    usage: UsageTable = Field(default=UsageTable(), description="How much each key is used.")
    webhooks: list[WebhookTable] = Field(default=[], description="Who is told of what happens.")
    handover: HandoverTable | None = Field(
        default=None, description="Who takes the new keys of `keys due --rotate` and `keys rotate --hand-over`."
    )
    issuers: list[IssuerTable] = Field(default=[], description="Issuers whose tokens are accepted.")
    roles: dict[str, list[GrantedScope]] = Field(
        default={}, description="Roles and the scopes they stand for, expanded when a principal is built.",
        examples=[{"reader": ["orders:read"]}],
    )  # fmt: skip
    plans: dict[str, PlanTable] = Field(default={}, description="Plans of apps.")
    upstreams: dict[str, UpstreamTable] = Field(default={}, description="Groups of servers to forward to.")
    routes: list[RouteTable] = Field(
        default=[], description="What may be reached and by whom. A request that matches none is denied."
    )
