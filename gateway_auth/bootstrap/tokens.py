"""Puts together what verifies bearer tokens: each issuer's keys, and what proves a token by them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from gateway_auth.bootstrap.issuer_source import IssuerSource
from gateway_auth.config.configuration import IssuerSettings
from gateway_auth.core.token import VerifiedToken
from gateway_auth.engine.bearer import BearerVerifier
from gateway_auth.engine.changes import ChangeFollower
from gateway_auth.engine.jwt import JwtVerifier
from gateway_auth.engine.keysets import IssuerKeys, KeyName
from gateway_auth.engine.opaque import OpaqueVerifier
from gateway_auth.engine.revocations import RevokedTokens
from gateway_auth.engine.token_cache import TokenCache
from gateway_auth.errors import ConfigError
from gateway_auth.ports import Clock, Random, RevocationStore


def open_issuers(issuers: Sequence[IssuerSettings], clock: Clock) -> list[IssuerSource]:
    """The adapters for these issuers. Raises ConfigError where the libraries for them are not installed."""
    if not issuers:
        return []
    try:
        from gateway_auth.bootstrap.issuers import open_issuer
    except ImportError as error:
        raise ConfigError(f"[[issuers]] needs more libraries: pip install 'gateway-auth[tokens]' ({error})") from error
    return [open_issuer(settings, clock) for settings in issuers]


class Tokens:
    """The verification of bearer tokens in one gateway: started before requests come, closed with it."""

    def __init__(
        self,
        sources: Sequence[IssuerSource],
        scopes_of: dict[str, tuple[str, ...]],
        revocations: RevocationStore,
        fingerprint: Callable[[bytes], bytes],
        clock: Clock,
        random: Random,
    ) -> None:
        self._sources = sources
        self._cache = TokenCache()
        self.revoked = RevokedTokens(revocations, clock, self._forget_where)
        self.keys = [(source.rules, self._keys_of(source, clock, random)) for source in sources if source.keys]
        self._jwts = JwtVerifier(self.keys, scopes_of, self._cache, self.revoked.is_revoked, fingerprint, clock)
        asked = [source.introspected for source in sources if source.introspected is not None]
        self._opaques = OpaqueVerifier(asked, scopes_of, self.revoked.is_revoked, fingerprint, clock) if asked else None
        self._clock = clock

    def verifier(self, changes: ChangeFollower) -> BearerVerifier:
        """What requests ask. `changes` has to hand every batch to `revoked.apply`."""
        return BearerVerifier(self._jwts, self._opaques, changes, self._clock)

    def _forget_where(self, is_unwanted: Callable[[VerifiedToken], bool]) -> None:
        self._cache.discard_where(is_unwanted)
        if self._opaques is not None:
            self._opaques.discard_where(is_unwanted)

    def _keys_of(self, source: IssuerSource, clock: Clock, random: Random) -> IssuerKeys:
        assert source.keys is not None  # noqa: S101
        issuer_id = source.rules.id

        def forget(gone: frozenset[KeyName]) -> None:
            """What a key proved dies with it. A token that named no key, or one without a name, may be any one's."""

            def is_unproven(token: VerifiedToken) -> bool:
                is_any = token.key_id is None or (None, token.algorithm) in gone
                return token.issuer_id == issuer_id and (is_any or (token.key_id, token.algorithm) in gone)

            self._forget_where(is_unproven)

        return IssuerKeys(
            issuer_id, source.keys, clock, random, on_change=forget, max_age_seconds=source.keys_max_age_seconds
        )

    async def start(self) -> None:
        """Fetch the keys. An issuer that is down does not prevent the start: its tokens get 503 meanwhile."""
        await asyncio.gather(*(keys.start() for _, keys in self.keys))

    async def close(self) -> None:
        """Fetch no more, and close what is open."""
        await asyncio.gather(*(keys.stop() for _, keys in self.keys))
        for source in self._sources:
            if source.close is not None:
                await source.close()
