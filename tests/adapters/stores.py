"""The stores every behaviour is checked against, and sample records. Another one is one more entry here."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest

from gateway_auth.adapters.memory_registry import MemoryRegistry
from gateway_auth.adapters.sql import SqlStore
from gateway_auth.core.keys import AppRecord, Grant, KeyRecord
from gateway_auth.core.token import Revocation, RevocationKind
from gateway_auth.ports import (
    AuditEvent,
    ChangeFeed,
    ChangeKind,
    DigestStore,
    KeyStore,
    Registry,
    RevocationStore,
    StoreCare,
    UsageReader,
    UsageSink,
)
from tests.postgresql.server import Server


class Place(NamedTuple):
    """Where a store may be made; `postgresql_url` is asked for only by those that need a server."""

    directory: Path
    postgresql_url: Callable[[], str]


class Store(KeyStore, ChangeFeed, RevocationStore, Registry, UsageSink, UsageReader, DigestStore, StoreCare, Protocol):
    """What a back-end of the store offers."""

    async def close(self) -> None: ...


@asynccontextmanager
async def memory_store(_place: Place) -> AsyncIterator[Store]:
    yield MemoryRegistry()


@asynccontextmanager
async def sqlite_store(place: Place) -> AsyncIterator[Store]:
    async with sql_store(sqlite_url(place.directory)) as store:
        yield store


@asynccontextmanager
async def postgresql_store(place: Place) -> AsyncIterator[Store]:
    async with sql_store(place.postgresql_url()) as store:
        yield store


@asynccontextmanager
async def sql_store(url: str) -> AsyncIterator[SqlStore]:
    """A store, closed afterwards."""
    store = SqlStore(url)
    try:
        yield store
    finally:
        await store.close()


STORES: dict[str, Callable[[Place], AbstractAsyncContextManager[Store]]] = {
    "memory": memory_store,
    "sqlite": sqlite_store,
    "postgresql": postgresql_store,
}


def place_for(request: pytest.FixtureRequest, directory: Path) -> Place:
    """A directory, and a database on the server of this session, which starts with the first test that asks for it."""

    def new_database() -> str:
        server: Server = request.getfixturevalue("postgresql")
        return server.url(server.new_database())

    return Place(directory, new_database)


def sqlite_file(directory: Path) -> Path:
    """Where `sqlite_store` puts its file."""
    return directory / "gateway.db"


def sqlite_url(directory: Path) -> str:
    """The URL of that file."""
    return f"sqlite:///{sqlite_file(directory)}"


def query(file: Path, sql: str, *parameters: object) -> list[tuple[object, ...]]:
    """Rows (and effects) of one statement, past all of our code."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        return connection.execute(sql, parameters).fetchall()


def app(app_id: str = "app_1") -> AppRecord:
    """A sample app."""
    return AppRecord(
        id=app_id, name="Orders", owner="alice", project="shop", plan="free", created_at=1, created_by="test"
    )


def key(key_id: str = "key1", app_id: str = "app_1") -> KeyRecord:
    """A sample key with something in every field."""
    return KeyRecord(
        id=key_id,
        app_id=app_id,
        name="näme \N{SNOWMAN}",
        environment="test",
        status="disabled",
        digest=bytes(range(32)),
        pepper_id="0123456789abcdef",
        scopes=("orders:read", "orders:*"),
        roles=("reader",),
        grants=(Grant("orders:write", 2**33),),
        not_before=2**31,
        expires_at=2**40,
        allow_networks=("10.0.0.0/8",),
        deny_networks=("10.1.0.0/16", "2001:db8::/32"),
        allow_referrers=("https://*.example.com/console/*",),
        allow_android=("com.example.app:" + "A" * 40,),
        allow_ios=("com.example.App",),
        allow_requests=("GET /v1/orders/*",),
        created_at=2**31 + 1,
        created_by="cli:alice",
        last_used_at=2**31 + 2,
        last_used_address="2001:db8::1",
        rotated_from="key0",
        retires_at=2**31 + 3,
        metadata={"team": 'quote " and \\', "": "empty name"},
    )


def revocation(
    revocation_id: str = "rev_1",
    kind: RevocationKind = "subject",
    value: str = 'näme \N{SNOWMAN} "\\',
    issuer: str | None = "https://idp.example/a?b",
    expires_at: float = 2.0**33 + 0.5,
) -> Revocation:
    """A sample revocation."""
    return Revocation(
        id=revocation_id, kind=kind, value=value, issuer=issuer, revoked_at=2.0**31 + 0.125, expires_at=expires_at
    )


def event(object_id: str, kind: ChangeKind = "key", at: float = 1.0) -> AuditEvent:
    """A sample audit event."""
    return AuditEvent(
        at=at,
        actor="cli:alice",
        action=f"{kind}.update",
        object_kind=kind,
        object_id=object_id,
        before={"name": "a"},
        after={"name": "b", "scopes": ["x"]},
    )


def url_of(database: str, place: Place) -> str:
    """The address of a new store of this kind."""
    return sqlite_url(place.directory) if database == "sqlite" else place.postgresql_url()


async def add_change(store: Store, object_id: str, *, at: float = 1.0) -> int:
    """One committed change; returns its revision."""
    async with store.transaction() as transaction:
        return await transaction.record(event(object_id, at=at))
