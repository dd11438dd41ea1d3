"""From tables to the values decisions are made from. Patterns are compiled here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway_auth.config.addresses import absolute_store_url, parse_listen, socket_path
from gateway_auth.config.advice import find_warnings
from gateway_auth.config.compile_issuers import compile_issuer, kinds_of
from gateway_auth.config.compile_listener import compile_socket, compile_tls
from gateway_auth.config.compile_upstreams import compile_upstream
from gateway_auth.config.configuration import (
    ApiKeySettings,
    Configuration,
    DisclosureSettings,
    ForwardAuthSettings,
    HandoverSettings,
    IssuerSettings,
    RedisSettings,
    WebhookSettings,
)
from gateway_auth.config.examine import Examined
from gateway_auth.config.keyring import Keyring
from gateway_auth.config.schema import ApiKeysTable, GatewayTable
from gateway_auth.config.schema_disclosure import GITHUB_KEYS, DisclosureTable
from gateway_auth.config.schema_issuers import RedisTable
from gateway_auth.config.schema_routes import LimitTable, RouteTable
from gateway_auth.config.source import Source
from gateway_auth.core.cachekey import limit_key
from gateway_auth.core.credential import CredentialKind
from gateway_auth.core.headers import HeaderTable
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.core.limits import Limit, LimitSet
from gateway_auth.core.network import UNIX_PEER, AddressSet
from gateway_auth.core.policy import Policy
from gateway_auth.core.rates import parse_rate
from gateway_auth.core.referrer import ReferrerPattern
from gateway_auth.core.resource import metadata_policies
from gateway_auth.core.routes import RouteTable as CompiledRoutes
from gateway_auth.core.ruleset import RuleSet
from gateway_auth.core.slots import SlotLimit

__all__ = ["ApiKeySettings", "Configuration", "compile_configuration"]


def compile_configuration(examined: Examined, keyring: Keyring, source: Source) -> Configuration:
    """The configuration of tables in which no problem was found."""
    gateway, store, api_keys = examined.gateway.table, examined.store.table, examined.api_keys.table
    usage, audit = examined.usage.table, examined.audit.table
    if gateway is None or store is None or audit is None or api_keys is None or usage is None or keyring.pepper is None:
        raise AssertionError("compiled although there are problems")
    routes = [piece.table for piece in examined.routes if piece.table is not None]
    issuers = tuple(
        compile_issuer(piece.table, keyring.of_issuers[position], source.folder)
        for position, piece in enumerate(examined.issuers)
        if piece.table is not None
    )
    plans = {name: piece.table.limits for name, piece in examined.plans.items() if piece.table is not None}
    redis = examined.redis.table if examined.redis is not None else None
    asked = examined.forward_auth.table if examined.forward_auth is not None else None
    disclosure = examined.disclosure.table if examined.disclosure is not None else None
    return Configuration(
        rules=_compile_rules(gateway, api_keys, routes, plans, examined.roles, issuers),
        issuers=issuers,
        redis=_compile_redis(redis) if redis is not None else None,
        disclosure=_compile_disclosure(disclosure, source.folder) if disclosure is not None else None,
        forward_auth=ForwardAuthSettings(proxy=asked.proxy) if asked is not None else None,
        peppers=PepperRing(keyring.pepper.reveal(), [secret.reveal() for secret in keyring.previous_peppers]),
        encryption_key=keyring.encryption_key,
        listen=parse_listen(gateway.listen) if socket_path(gateway.listen) is None else ("", 0),
        socket=compile_socket(gateway, source.folder),
        tls=compile_tls(gateway.tls, source.folder),
        is_reloaded_on_change=gateway.reload_on_change,
        admin_listen=parse_listen(gateway.admin_listen),
        status_listen=parse_listen(gateway.status_listen) if gateway.status_listen is not None else None,
        admin_hosts=frozenset((*gateway.admin_hosts, parse_listen(gateway.admin_listen)[0].lower())),
        workers=gateway.workers,
        default_upstream=gateway.upstream,
        upstreams={
            name: compile_upstream(name, piece.table, source.folder)
            for name, piece in examined.upstreams.items()
            if piece.table is not None
        },
        store_url=absolute_store_url(_address(store.url, keyring), source.folder),
        anchor_file=str(source.folder.absolute() / audit.anchor_file) if audit.anchor_file is not None else None,
        are_denials_audited=audit.denials,
        max_stale_seconds=store.max_stale_seconds,
        api_keys=ApiKeySettings(
            cache_seconds=api_keys.cache_seconds,
            max_lifetime_days=api_keys.max_lifetime_days,
            unused_after_days=api_keys.unused_after_days,
            rotate_after_days=api_keys.rotate_after_days,
            max_active_per_app=api_keys.max_active_per_app,
            accept_imported=api_keys.accept_imported,
        ),
        usage_days=usage.keep_days,
        webhooks=tuple(_compile_webhooks(examined, keyring)),
        handover=_compile_handover(examined, keyring),
        source=source.name,
        warnings=tuple(find_warnings(gateway, routes, plans, redis, can_seal=keyring.encryption_key is not None)),
    )


def _compile_webhooks(examined: Examined, keyring: Keyring) -> Iterator[WebhookSettings]:
    for piece, secret in zip(examined.webhooks, keyring.of_webhooks, strict=True):
        if piece.table is not None and secret is not None:
            table = piece.table
            yield WebhookSettings(id=table.id, url=table.url, secret=secret, events=tuple(table.events))


def _compile_handover(examined: Examined, keyring: Keyring) -> HandoverSettings | None:
    table = examined.handover.table if examined.handover is not None else None
    if table is None or keyring.handover is None:
        return None
    return HandoverSettings(url=table.url, secret=keyring.handover)


def _compile_disclosure(table: DisclosureTable, folder: Path) -> DisclosureSettings:
    file = str(folder / table.keys_file) if table.keys_file is not None else None
    return DisclosureSettings(
        name=table.name,
        keys_url=table.keys_url or (GITHUB_KEYS if file is None else None),
        keys_file=file,
        live=table.live,
        test=table.test,
        admin=table.admin,
    )


def _address(url: str, keyring: Keyring) -> str:
    """The store's address: as written, or what the reference there refers to."""
    return url if keyring.store_url is None else keyring.store_url.reveal().decode()


def _compile_redis(redis: RedisTable) -> RedisSettings:
    return RedisSettings(url=redis.url, timeout_seconds=redis.timeout_seconds, key_prefix=redis.key_prefix)


def _compile_rules(
    gateway: GatewayTable,
    api_keys: ApiKeysTable,
    routes: list[RouteTable],
    plans: dict[str, list[LimitTable]],
    scopes_of: dict[str, tuple[str, ...]],
    issuers: tuple[IssuerSettings, ...],
) -> RuleSet:
    kinds = kinds_of(issuers)
    policies = tuple(_compile_route(route, kinds) for route in routes)
    if issuers:
        policies += metadata_policies(policies)
    return RuleSet(
        realm=gateway.realm,
        key_format=KeyFormat(api_keys.prefix),
        headers=HeaderTable(api_keys.headers, gateway.client_address_header, gateway.strip_headers),
        trusted_proxies=AddressSet(proxy for proxy in gateway.trusted_proxies if proxy != UNIX_PEER),
        is_unix_peer_trusted=UNIX_PEER in gateway.trusted_proxies,
        client_address_style=gateway.client_address_header.lower(),
        is_https_required=gateway.require_https,
        max_body_bytes=gateway.max_body_bytes,
        policies=policies,
        routes=CompiledRoutes(policies),
        credentials=kinds,
        brake=parse_rate(gateway.failed_auth.rate) if gateway.failed_auth is not None else None,
        scopes_of=scopes_of,
        plans={name: _compile_limits("plan", name, limits) for name, limits in plans.items()},
        issuers=tuple(settings.rules for settings in issuers),
        resource=gateway.resource,
    )


def _compile_route(route: RouteTable, kinds: frozenset[CredentialKind]) -> Policy:
    return Policy(
        id=route.id,
        path=route.path,
        methods=frozenset(route.methods) if route.methods is not None else None,
        access=route.access,
        credentials=frozenset(route.credentials) if route.credentials is not None else kinds,
        scopes=frozenset(route.scopes),
        any_scopes=frozenset(route.any_scopes),
        roles=frozenset(route.roles),
        allow_networks=AddressSet(route.allow_networks),
        deny_networks=AddressSet(route.deny_networks),
        referrers=tuple(ReferrerPattern(text) for text in route.allow_referrers),
        limits=_compile_limits("route", route.id, route.limits),
        upstream=route.upstream,
        timeout_seconds=route.timeout_seconds,
        strip_credentials=route.strip_credentials,
        is_websocket=route.websocket,
        is_preflight_passed=route.preflight == "pass",
        is_shadow=route.mode == "shadow",
    )


def _compile_limits(owner_kind: str, owner: str, limits: Sequence[LimitTable]) -> LimitSet:
    rates = (
        Limit(
            id=limit.name,
            key=_counted_under(owner_kind, owner, limit),
            rate=parse_rate(limit.rate),
            by=limit.by,
            cost=limit.cost,
            on_unavailable=limit.on_unavailable,
            is_leased=limit.mode == "leased",
        )
        for limit in limits
        if limit.rate is not None
    )
    slots = (
        SlotLimit(
            id=limit.name,
            key=_counted_under(owner_kind, owner, limit),
            slots=limit.in_flight,
            by=limit.by,
            on_unavailable=limit.on_unavailable,
        )
        for limit in limits
        if limit.in_flight is not None
    )
    return LimitSet(rates, slots)


def _counted_under(owner_kind: str, owner: str, limit: LimitTable) -> str:
    """The counters of a limit: its route's or plan's own; one for all that name the same global limit."""
    if limit.by == "global":
        return limit_key("global", limit.rate or f"{limit.in_flight} in flight", limit.name)
    return limit_key(owner_kind, owner, limit.name)
