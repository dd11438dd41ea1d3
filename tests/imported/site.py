"""A gateway on a real SQLite store, into which keys are imported as the command line does it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.types import Receive, Scope, Send

from gateway_auth import GatewayAuth
from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.system import SystemClock, SystemRandom
from gateway_auth.core.actor import Actor
from gateway_auth.core.imported import ImportedKey
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.core.keys import KeyRecord
from gateway_auth.lifecycle.apps import AppFields, ManageApps
from gateway_auth.lifecycle.import_keys import Entry, ImportKeys
from gateway_auth.lifecycle.keys import ManageKeys
from tests.adapters.stores import query, sqlite_file, sqlite_url
from tests.asgi.raw import Answer, get, lifespan

PEPPER = b"q7Wd0xVnT4ZbLr9KfEy2uHs6JmCa8PoG1iXv5NtB"
LATER_PEPPER = b"Zt5NvXi1GoP8aCmJ6sHu2yEfK9rLbZ4TnVx0dW7q"
ACTOR = Actor(kind="cli", name="test")


async def upstream(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the key id it is told."""
    key_id = dict(scope["headers"]).get(b"x-auth-key-id", b"")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": key_id})


class Site:
    """A store and what is done to it. `peppers` are those of the gateway, the current one first."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.peppers = [PEPPER]
        self.store = SqlStore(sqlite_url(directory))
        self.app_id = ""

    @property
    def ring(self) -> PepperRing:
        return PepperRing(self.peppers[0], self.peppers[1:])

    @property
    def keys(self) -> ManageKeys:
        return ManageKeys(self.store, SystemClock(), SystemRandom(), key_format=KeyFormat(), peppers=self.ring)

    @property
    def imports(self) -> ImportKeys:
        return ImportKeys(self.store, SystemClock(), SystemRandom(), key_format=KeyFormat(), peppers=self.ring)

    async def open(self) -> None:
        apps = ManageApps(self.store, SystemClock(), SystemRandom(), {})
        self.app_id = (await apps.create(ACTOR, AppFields(name="shop"))).id

    async def add(self, *entries: Mapping[str, str]) -> Sequence[KeyRecord]:
        """Import entries, none of which may be refused."""
        numbered = [Entry(line, entry) for line, entry in enumerate(entries, 1)]
        prepared, problems = self.imports.prepare(ACTOR, self.app_id, numbered, "")
        assert problems == []
        return (await self.imports.run(ACTOR, self.app_id, prepared)).records

    @asynccontextmanager
    async def gateway(self, **api_keys: Any) -> AsyncIterator[GatewayAuth]:
        """A gateway that accepts imported keys, unless told otherwise, started and stopped."""
        names = ("current", "previous")
        for name, pepper in zip(names, self.peppers, strict=False):
            file = self.directory / name
            file.write_bytes(pepper)
            file.chmod(0o600)
        app = GatewayAuth(
            upstream,
            config={
                "store": {"url": sqlite_url(self.directory)},
                "secrets": {
                    "pepper": f"file:{self.directory / 'current'}",
                    "previous_peppers": [f"file:{self.directory / 'previous'}"] if len(self.peppers) > 1 else [],
                },
                "api_keys": {"accept_imported": True, **api_keys},
                "routes": [{"id": "all", "path": "/{rest:path}"}],
            },
        )
        async with lifespan(app):
            yield app

    def kept(self) -> list[ImportedKey]:
        """What the store has of imported keys."""
        columns = "key_id, lookup, pepper_id, hash_kind, hash"
        rows: list[Any] = query(sqlite_file(self.directory), f"SELECT {columns} FROM imported_keys")
        return [ImportedKey(**dict(zip(columns.split(", "), row, strict=True))) for row in rows]

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for something that happens beside the requests."""
        async with asyncio.timeout(20):
            while not is_so():  # noqa: ASYNC110 - what is waited for is in another connection
                await asyncio.sleep(0.01)


async def ask(app: GatewayAuth, text: str) -> Answer:
    """One request with this key."""
    return await get(app, "/orders", text)
