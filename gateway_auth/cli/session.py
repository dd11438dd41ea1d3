"""What the commands on apps, keys and tokens work with: configuration, store and use cases, open for one command."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from gateway_auth.core.actor import Actor
from gateway_auth.errors import Conflict, NotFound

if TYPE_CHECKING:
    from gateway_auth.adapters.sql import SqlStore
    from gateway_auth.config import Configuration
    from gateway_auth.core.keys import AppRecord

T = TypeVar("T")


class Session:
    """The use cases over one store. `actor` is who the audit says has acted."""

    def __init__(self, configuration: Configuration, store: SqlStore) -> None:
        from gateway_auth.adapters.sql.outbox import SqlOutbox
        from gateway_auth.adapters.system import SystemClock, SystemRandom
        from gateway_auth.bootstrap.inspection import signature_verifier
        from gateway_auth.bootstrap.management import ManagedRegistry
        from gateway_auth.lifecycle.admins import ManageAdmins
        from gateway_auth.lifecycle.anomalies import ReviewActivity
        from gateway_auth.lifecycle.apps import ManageApps
        from gateway_auth.lifecycle.audit import ReadAudit
        from gateway_auth.lifecycle.import_keys import ImportKeys
        from gateway_auth.lifecycle.inspect_token import TokenInspector
        from gateway_auth.lifecycle.keys import ManageKeys
        from gateway_auth.lifecycle.review import ReviewKeys
        from gateway_auth.lifecycle.tokens import ManageTokens
        from gateway_auth.lifecycle.usage import ReviewUsage
        from gateway_auth.lifecycle.webhooks import ManageWebhooks

        rules = configuration.rules
        clock, random = SystemClock(), SystemRandom()
        self.actor = actor()
        self.anchor_file = configuration.anchor_file
        self.handover = configuration.handover
        self.registry = registry = ManagedRegistry(store, configuration, clock)
        self.apps = ManageApps(registry, clock, random, rules.plans)
        self.keys = ManageKeys(
            registry,
            clock,
            random,
            key_format=rules.key_format,
            peppers=configuration.peppers,
            max_lifetime_days=configuration.api_keys.max_lifetime_days,
            max_active_per_app=configuration.api_keys.max_active_per_app,
            accepts_imported=configuration.api_keys.accept_imported,
        )
        self.review = ReviewKeys(
            registry,
            clock,
            unused_after_days=configuration.api_keys.unused_after_days,
            rotate_after_days=configuration.api_keys.rotate_after_days,
        )
        self.usage = ReviewUsage(store, clock)
        self.activity = ReviewActivity(store, clock)
        known = [webhook.id for webhook in configuration.webhooks]
        self.webhooks = ManageWebhooks(SqlOutbox(store), clock, random, known)
        self.imports = ImportKeys(
            registry,
            clock,
            random,
            key_format=rules.key_format,
            peppers=configuration.peppers,
            max_lifetime_days=configuration.api_keys.max_lifetime_days,
        )
        self.audit = ReadAudit(registry, clock)
        self.key_format = rules.key_format
        self.admins = ManageAdmins(registry, clock, random, configuration.peppers)
        self.tokens = ManageTokens(registry, clock, random, rules.issuers, key_format=rules.key_format)
        self.inspector = TokenInspector(rules.issuers, store, signature_verifier(configuration.issuers))

    @property
    def has_changed(self) -> bool:
        """Whether anything was changed through it."""
        return self.registry.is_changed

    async def find_app(self, named: str) -> AppRecord:
        """The app of this id, or the only one of this name. Raises NotFound, or Conflict where several have it."""
        try:
            return await self.apps.get(named)
        except NotFound:
            found = [app async for app in self.apps.iterate() if app.name == named]
        if not found:
            raise NotFound(f"there is no app {named}; `gateway-auth apps list` shows all")
        if len(found) > 1:
            ids = ", ".join(app.id for app in found)
            raise Conflict(f"{len(found)} apps have the name {named}; give an id: {ids}")
        return found[0]


def with_session(config: str, use: Callable[[Session], Awaitable[T]]) -> T:
    """What `use` makes of an open session. Raises whatever it raises, ConfigError and StoreError."""
    import asyncio

    from gateway_auth.adapters.sql import SqlStore
    from gateway_auth.config import load

    configuration = load(config)

    async def open_and_use() -> T:
        store = SqlStore(configuration.store_url)
        session = Session(configuration, store)
        try:
            return await use(session)
        finally:
            await store.close()
            if session.has_changed and configuration.redis is not None:
                from gateway_auth.bootstrap.sharing import tell_of_change

                await tell_of_change(configuration.redis)

    return asyncio.run(open_and_use())


def actor() -> Actor:
    """The user this process runs as, which no environment variable can claim to be another."""
    try:
        from pwd import getpwuid

        name = getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        # A container's user often has no name.
        name = str(os.getuid()) if hasattr(os, "getuid") else "unknown"
    return Actor(kind="cli", name=name)
