"""The adapters of one issuer, as its configuration says. Imported only where there are issuers: these are heavy."""

from __future__ import annotations

from gateway_auth.adapters.issuers.discovery import DiscoverySource
from gateway_auth.adapters.issuers.fetch import Fetcher
from gateway_auth.adapters.issuers.introspection import HttpIntrospector
from gateway_auth.adapters.issuers.key_sets import key_set_reader
from gateway_auth.adapters.issuers.signatures import hmac_key
from gateway_auth.adapters.issuers.sources import AddressSource, FileSource, StaticSource
from gateway_auth.bootstrap.issuer_source import IssuerSource
from gateway_auth.config.configuration import IssuerSettings
from gateway_auth.engine.opaque import IntrospectedIssuer
from gateway_auth.ports import Clock, KeySetSource


def open_issuer(settings: IssuerSettings, clock: Clock) -> IssuerSource:
    """Where the keys of one issuer come from, and how it is asked. Nothing is fetched yet."""
    fetcher = Fetcher(settings.rules.id)
    introspector = _introspector(settings)

    async def close() -> None:
        await fetcher.close()
        if introspector is not None:
            await introspector.close()

    return IssuerSource(
        rules=settings.rules,
        keys=_key_source(settings, fetcher, clock),
        introspected=_introspected(settings, introspector),
        keys_max_age_seconds=settings.keys_max_age_seconds,
        close=close,
    )


def _introspector(settings: IssuerSettings) -> HttpIntrospector | None:
    asking = settings.introspection
    if asking is None:
        return None
    secret = asking.client_secret.reveal().decode("ascii")
    return HttpIntrospector(settings.rules.id, asking.url, asking.client_id, secret)


def _introspected(settings: IssuerSettings, introspector: HttpIntrospector | None) -> IntrospectedIssuer | None:
    asking = settings.introspection
    if asking is None or introspector is None:
        return None
    return IntrospectedIssuer(
        rules=settings.rules,
        introspector=introspector,
        cache_seconds=asking.cache_seconds,
        negative_cache_seconds=asking.negative_cache_seconds,
    )


def _key_source(settings: IssuerSettings, fetcher: Fetcher, clock: Clock) -> KeySetSource | None:
    issuer = settings.rules
    if settings.secret is not None:
        secret = settings.secret.reveal()
        return StaticSource([hmac_key(secret, algorithm) for algorithm in issuer.algorithms])
    read = key_set_reader(issuer.id, issuer.algorithms)
    if settings.jwks_url is not None:
        return AddressSource(issuer.id, settings.jwks_url, fetcher, read)
    if settings.jwks_file is not None:
        return FileSource(issuer.id, settings.jwks_file, read)
    return DiscoverySource(issuer.id, issuer.issuer, fetcher, read, clock) if settings.is_discovered else None
