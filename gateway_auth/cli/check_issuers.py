"""What `doctor` finds out about issuers: whether their keys can be had, and whether they answer about opaque tokens."""

from __future__ import annotations

from collections.abc import Iterable

from gateway_auth.adapters.system import SystemClock
from gateway_auth.bootstrap.issuer_source import IssuerSource
from gateway_auth.bootstrap.tokens import open_issuers
from gateway_auth.cli.checks import Check
from gateway_auth.config import Configuration
from gateway_auth.errors import IssuerUnavailable
from gateway_auth.ports import VerificationKey

_NO_TOKEN = b"gateway-auth-doctor"
"""Nobody gave this out: any answer about it shows that the issuer answers, and to us."""


async def check_issuers(configuration: Configuration) -> list[Check]:
    """A line for each thing an issuer is needed for."""
    checks = []
    for source in open_issuers(configuration.issuers, SystemClock()):
        checks += [check for check in (await _keys(source), await _introspection(source)) if check is not None]
        if source.close is not None:
            await source.close()
    return checks


async def _keys(source: IssuerSource) -> Check | None:
    if source.keys is None:
        return None
    name = f"issuer {source.rules.id}"
    try:
        keys = await source.keys.fetch()
    except IssuerUnavailable as error:
        return Check(name, "failed", f"{error}; until it answers, its tokens get 503")
    if not keys:
        return Check(name, "failed", "it publishes no key for the configured algorithms; see the log of a start")
    return Check(name, "ok", f"{len(keys)} keys: {_named(keys)}")


async def _introspection(source: IssuerSource) -> Check | None:
    if source.introspected is None:
        return None
    name = f"introspection {source.rules.id}"
    try:
        await source.introspected.introspector.introspect(_NO_TOKEN)
    except IssuerUnavailable as error:
        return Check(name, "failed", f"{error}; until it answers, opaque tokens get 503")
    return Check(name, "ok", "it answers, and takes our client id and secret")


def _named(keys: Iterable[VerificationKey]) -> str:
    return ", ".join(f"{ascii(key.key_id) if key.key_id else 'unnamed'} ({key.algorithm})" for key in keys)
