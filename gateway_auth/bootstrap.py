"""The composition root: configuration in, a running gateway out. The only place where ports meet adapters."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Mapping

from gateway_auth.adapters.memory_limits import MemoryLimitStore
from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.system import SystemClock
from gateway_auth.config import Configuration, load
from gateway_auth.core.keyhash import PepperRing, fingerprinter
from gateway_auth.core.ruleset import RuleSet
from gateway_auth.engine.api_key import KeyVerifier
from gateway_auth.engine.brake import Brake
from gateway_auth.engine.changes import ChangeFollower
from gateway_auth.engine.pipeline import Engine
from gateway_auth.engine.principal_cache import PrincipalCache
from gateway_auth.engine.recorder import Recorder
from gateway_auth.ports import ChangeFeed, Clock, KeyStore, LimitStore

logger = logging.getLogger("gateway_auth")


class Gateway:
    """A running gateway of one event loop: what judges requests, and what has to be closed with it."""

    def __init__(self, engine: Engine, recorder: Recorder, changes: ChangeFollower, store: SqlStore | None) -> None:
        self.engine = engine
        self.recorder = recorder
        self._changes = changes
        self._store = store

    async def close(self) -> None:
        """Stop following changes and close the store."""
        await self._changes.stop()
        if self._store is not None:
            await self._store.close()


async def open_gateway(source: str | os.PathLike[str] | Mapping[str, object] | Configuration) -> Gateway:
    """Load, open and start. Raises ConfigError, StoreUnavailable or StoreSchemaError; then nothing stays open."""
    configuration = load(source)
    store = SqlStore(configuration.store_url)
    clock = SystemClock()
    try:
        gateway = await assemble(
            configuration.rules,
            configuration.peppers,
            key_store=store,
            feed=store,
            limit_store=MemoryLimitStore(clock),
            clock=clock,
            cache_seconds=configuration.api_keys.cache_seconds,
            max_stale_seconds=configuration.max_stale_seconds,
            owned_store=store,
        )
    except BaseException:
        await store.close()
        raise
    log_posture(configuration)
    return gateway


async def assemble(
    rules: RuleSet,
    peppers: PepperRing,
    *,
    key_store: KeyStore,
    feed: ChangeFeed,
    limit_store: LimitStore,
    clock: Clock,
    cache_seconds: float = 30.0,
    max_stale_seconds: float = 60.0,
    owned_store: SqlStore | None = None,
) -> Gateway:
    """Put a gateway together over any adapters, and start it."""
    cache = PrincipalCache(clock)
    changes = ChangeFollower(feed, clock, cache.forget, max_stale_seconds)
    fingerprint = fingerprinter(secrets.token_bytes(32))
    keys = KeyVerifier(rules, peppers, key_store, cache, changes, fingerprint, clock, cache_seconds)
    engine = Engine(rules, keys, limit_store, Brake(rules.brake, clock), changes, clock)
    await changes.start()
    return Gateway(engine, Recorder(rules.key_format, clock), changes, owned_store)


def log_posture(configuration: Configuration) -> None:
    """Say at start what is open and what happens in trouble, so that nobody has to guess it from the file."""
    rules = configuration.rules
    public = [policy for policy in rules.policies if policy.access == "public"]
    optional = [policy for policy in rules.policies if policy.access == "optional"]
    logger.info("%d routes; every request that matches none is refused", len(rules.policies))
    for title, policies in (("public", public), ("optional", optional)):
        names = [f"{policy.id} ({' '.join(sorted(policy.methods or ('any',)))} {policy.path})" for policy in policies]
        logger.info("%s routes: %s", title, ", ".join(names) or "none")
    logger.info("trusted proxies: %s", ", ".join(rules.trusted_proxies.texts) or "none, forwarding headers are ignored")
    logger.info(
        "store unreachable: known keys for up to %ss, then 503; unknown keys 503. Limits: in process, per worker",
        configuration.max_stale_seconds,
    )
    for warning in configuration.warnings:
        logger.warning("%s", warning)
