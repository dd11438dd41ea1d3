"""A running gateway: the store, what judges requests over it, and the order in which all of it starts and ends."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence

from gateway_auth.adapters.foreign_hashes import verify_slow_hash
from gateway_auth.adapters.memory_limits import MemoryLimitStore
from gateway_auth.adapters.memory_slots import MemorySlotStore
from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.system import SystemClock, SystemRandom
from gateway_auth.bootstrap.books import Books
from gateway_auth.bootstrap.disclosure import Disclosure, open_disclosure
from gateway_auth.bootstrap.issuer_source import IssuerSource
from gateway_auth.bootstrap.posture import log_posture
from gateway_auth.bootstrap.shared import Shared, TruthStore
from gateway_auth.bootstrap.sharing import open_shared
from gateway_auth.bootstrap.tokens import Tokens, open_issuers
from gateway_auth.config import Configuration, load
from gateway_auth.core.condition import Condition
from gateway_auth.core.keyhash import PepperRing, fingerprinter, token_fingerprinter
from gateway_auth.core.ruleset import RuleSet
from gateway_auth.engine.api_key import KeyVerifier, nothing_to_note
from gateway_auth.engine.brake import Brake
from gateway_auth.engine.changes import ChangeFollower
from gateway_auth.engine.imported import ImportedKeys, ImportedStore
from gateway_auth.engine.in_flight import InFlightLimits
from gateway_auth.engine.pipeline import Engine
from gateway_auth.engine.principal_cache import PrincipalCache
from gateway_auth.engine.recorder import Recorder
from gateway_auth.engine.standing import NoLimits, Standing
from gateway_auth.engine.usage import UsageTally
from gateway_auth.engine.watches import Watches
from gateway_auth.ports import Clock, KeyStore, LimitStore, SlotStore


class Gateway:
    """A running gateway of one event loop: what judges requests, and what has to be closed with it."""

    def __init__(
        self,
        engine: Engine,
        recorder: Recorder,
        keys: KeyVerifier,
        changes: ChangeFollower,
        usage: UsageTally,
        watches: Watches,
        tokens: Tokens | None = None,
        store: SqlStore | None = None,
        books: Books | None = None,
        imported: ImportedKeys | None = None,
    ) -> None:
        self.engine = engine
        self.recorder = recorder
        self.usage = usage
        self.watches = watches
        self.tokens = tokens
        self.shared: Shared | None = None
        self.disclosure: Disclosure | None = None
        self.is_closed = False
        self.keys = keys
        self.changes = changes
        self._store = store
        self._books = books
        self._imported = imported

    def join(self, shared: Shared) -> None:
        """Take part in what is shared; it is closed with this gateway."""
        self.shared = shared
        shared.start(self.changes.nudge)

    def listen(self, store: SqlStore) -> None:
        """Be told of changes by the store itself, where it can."""
        store.listen(self.changes.nudge)

    @property
    def degraded(self) -> tuple[str, ...]:
        """What this gateway does without for now: `store`, `redis`."""
        is_without_redis = self.shared is not None and self.shared.is_degraded
        return ("store",) * self.changes.is_degraded + ("redis",) * is_without_redis

    @property
    def condition(self) -> Condition:
        """Whether it can judge requests. Not when what it remembers is older than the store may be away, nor closed."""
        return Condition(self.changes.is_usable() and not self.is_closed, self.degraded)

    async def leave(self) -> None:
        """Do only what requests need: the rest is for those who take over, under a newer configuration perhaps."""
        if self._books is not None:
            await self._books.leave()

    async def close(self) -> None:
        """Stop following changes, fetch no more keys, leave what is shared, and close the store."""
        self.is_closed = True
        await self.watches.stop()
        await self.changes.stop()
        await self.keys.close()
        if self._books is not None:
            await self._books.stop()
        if self.tokens is not None:
            await self.tokens.close()
        if self.shared is not None:
            await self.shared.close()
        if self.disclosure is not None:
            await self.disclosure.close()
        if self._imported is not None:
            await self._imported.close()
        if self._store is not None:
            await self._store.close()


async def open_gateway(source: str | os.PathLike[str] | Mapping[str, object] | Configuration) -> Gateway:
    """Load, open and start. Raises ConfigError, StoreUnavailable or StoreSchemaError; then nothing stays open."""
    configuration = load(source)
    store = SqlStore(configuration.store_url)
    clock = SystemClock()
    books = Books(configuration, store, clock)
    shared = disclosure = None
    try:
        disclosure = open_disclosure(configuration, store, clock)
        shared = open_shared(configuration, store, clock)
        gateway = await assemble(
            configuration.rules,
            configuration.peppers,
            key_store=shared.key_store if shared is not None else store,
            feed=shared.truth if shared is not None else store,
            limit_store=shared.limits if shared is not None else MemoryLimitStore(clock),
            slot_store=shared.slots if shared is not None else None,
            clock=clock,
            cache_seconds=configuration.api_keys.cache_seconds,
            max_stale_seconds=configuration.max_stale_seconds,
            issuers=open_issuers(configuration.issuers, clock),
            imported_store=store if configuration.api_keys.accept_imported else None,
            owned_store=store,
            books=books,
        )
    except BaseException:
        for part in (shared, disclosure, store):
            if part is not None:
                await part.close()
        raise
    gateway.disclosure = disclosure
    gateway.listen(store)
    if shared is not None:
        gateway.join(shared)
    books.start()
    log_posture(configuration)
    return gateway


async def assemble(  # noqa: PLR0913 - one parameter for each port
    rules: RuleSet,
    peppers: PepperRing,
    *,
    key_store: KeyStore,
    feed: TruthStore,
    limit_store: LimitStore,
    slot_store: SlotStore | None = None,
    clock: Clock,
    cache_seconds: float = 30.0,
    max_stale_seconds: float = 60.0,
    issuers: Sequence[IssuerSource] = (),
    imported_store: ImportedStore | None = None,
    owned_store: SqlStore | None = None,
    books: Books | None = None,
) -> Gateway:
    """Put a gateway together over any adapters, and start it. Without a `slot_store` requests are counted here.

    `books` are closed with it; whoever made them starts them.
    """
    cache = PrincipalCache(clock)
    fingerprint = fingerprinter(secrets.token_bytes(32))
    tokens = verifier = None
    changes = ChangeFollower(feed, clock, cache.forget, max_stale_seconds)
    if issuers:
        mark = token_fingerprinter(secrets.token_bytes(32))
        tokens = Tokens(issuers, rules.scopes_of, feed, mark, clock, SystemRandom())
        changes = ChangeFollower(feed, clock, cache.forget, max_stale_seconds, learn=tokens.revoked.apply)
        verifier = tokens.verifier(changes)
    if rules.has_slots():
        limit_store = InFlightLimits(limit_store, slot_store or MemorySlotStore())
    on_proven = books.digests.note if books is not None else nothing_to_note
    keys = KeyVerifier(rules, peppers, key_store, cache, changes, fingerprint, clock, cache_seconds, on_proven)
    imported = None
    if imported_store is not None:
        imported = ImportedKeys(keys, peppers, imported_store, verify_slow_hash, fingerprint, clock)
        keys.imported = imported
    engine = Engine(rules, keys, limit_store, Brake(rules.brake, clock), changes, clock, verifier)
    uncounted = Engine(rules, keys, NoLimits(), Brake(None, clock), changes, clock, verifier)
    watches = Watches(Standing(uncounted, keys, verifier, clock), changes, clock)
    changes.hear = watches.hear
    usage = books.usage if books is not None else UsageTally(clock.now())
    recorder = Recorder(rules.key_format, clock, books.refusals if books is not None else None)
    gateway = Gateway(engine, recorder, keys, changes, usage, watches, tokens, owned_store, books, imported)
    try:
        await changes.start()
        if tokens is not None:
            await tokens.start()
    except BaseException:
        # The caller closes what it opened; what was started here would run on with nobody to stop it.
        await changes.stop()
        if tokens is not None:
            await tokens.close()
        raise
    return gateway
