"""Importing: every line is checked before anything is written; what is written has its fields, id and event."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.errors import Conflict, NotFound
from gateway_auth.lifecycle import import_keys
from gateway_auth.lifecycle.apps import AppFields
from gateway_auth.lifecycle.import_keys import Entry, Imported, ImportKeys
from tests.lifecycle.world import ACTOR, NOW, World

KEY = "sk_live_0123456789abcdef"
BCRYPT = "$2b$12$" + "a" * 53


class Importing(World):
    def __init__(self) -> None:
        super().__init__()
        self.imports = ImportKeys(self.registry, self.clock, self.random, key_format=KeyFormat(), peppers=self.peppers)

    async def shop(self) -> str:
        return (await self.apps.create(ACTOR, AppFields(name="shop"))).id

    def problems(self, *entries: Mapping[str, str], kind: str = "") -> list[str]:
        numbered = [Entry(line, entry) for line, entry in enumerate(entries, 1)]
        return [str(problem) for problem in self.imports.prepare(ACTOR, "app", numbered, kind)[1]]

    async def run(self, app_id: str, *entries: Mapping[str, str]) -> Imported:
        numbered = [Entry(line, entry) for line, entry in enumerate(entries, 1)]
        prepared, problems = self.imports.prepare(ACTOR, app_id, numbered, "")
        assert problems == []
        return await self.imports.run(ACTOR, app_id, prepared)


async def test_an_entry_becomes_a_key_with_its_fields_and_an_event() -> None:
    world = Importing()
    app_id = await world.shop()
    imported = await world.run(
        app_id,
        {
            "key": KEY, "name": "ci", "environment": "test", "scopes": "orders:read, orders:write", "roles": "reader",
            "not_before": "2027-02-01T00:00:00Z", "expires_at": "2030-01-01T00:00:00Z", "start": "", "hash": "",
        },
    )  # fmt: skip
    (record,) = imported.records
    assert (record.name, record.environment, record.app_id) == ("ci", "test", app_id)
    assert (record.scopes, record.roles) == (("orders:read", "orders:write"), ("reader",))
    assert record.created_at == NOW
    assert record.expires_at is not None
    assert (await world.keys.get(record.id)) == record
    event = world.memory.audit[-1]
    assert (event.action, event.object_id, event.actor, event.before) == ("key.import", record.id, str(ACTOR), None)
    assert KEY not in str(event.after)


def test_every_line_that_cannot_be_is_told_and_none_repeats_what_stood_there() -> None:
    told = Importing().problems(
        {"key": KEY},
        {"key": KEY},
        {"key": "tooshort"},
        {"key": KEY, "hash": "00"},
        {"name": "neither"},
        {"hash": "00" * 32},
        {"hash": "00", "hash_kind": "sha256"},
        {"hash": BCRYPT, "hash_kind": "bcrypt", "start": "sk_live_"},
        {"hash": BCRYPT[:-1] + "b", "hash_kind": "bcrypt", "start": "sk_live_"},
        {"key": KEY + "1", "scopes": "*"},
        {"key": KEY + "2", "expires_at": "tomorrow"},
        {"key": KEY + "3", "environment": "prod"},
        {"key": KEY + "4", "secret": "x"},
    )
    lines = [line.partition(": ")[2].partition(": ")[0] for line in told]
    assert lines == [
        "key", "key", "key", "key", "hash_kind", "hash", "start", "scopes", "expires_at", "environment", "columns",
    ]  # fmt: skip
    assert [line.partition(":")[0] for line in told] == [f"line {n}" for n in (2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13)]
    assert not any(secret in line for line in told for secret in (KEY, "tooshort", BCRYPT))


def test_a_kind_may_be_given_for_all() -> None:
    assert Importing().problems({"hash": "00" * 32}, kind="sha256") == []


async def test_what_is_there_is_left_alone_so_that_an_import_can_be_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_keys, "BATCH", 2)
    world = Importing()
    app_id = await world.shop()
    entries = [{"key": f"{KEY}{number}"} for number in range(5)]
    assert len((await world.run(app_id, *entries[:3])).records) == 3
    again = await world.run(app_id, *entries)
    assert (len(again.records), again.already_there) == (2, 3)


async def test_an_app_that_cannot_have_keys_gets_none() -> None:
    world = Importing()
    with pytest.raises(NotFound):
        await world.run("app_nobody", {"key": KEY})
    app_id = await world.shop()
    await world.apps.disable(ACTOR, app_id)
    with pytest.raises(Conflict, match="disabled"):
        await world.run(app_id, {"key": KEY})


async def test_an_id_that_is_taken_is_never_overwritten() -> None:
    world = Importing()
    app_id = await world.shop()
    world.random.numbers = [7] * 4
    imported = await world.run(app_id, {"key": KEY}, {"key": KEY + "x"})
    assert len({record.id for record in imported.records}) == 2
    world.random.numbers = [7] * 100
    with pytest.raises(Conflict, match="repeats itself"):
        await world.run(app_id, {"key": KEY + "y"})


def test_an_entry_shows_nothing_of_itself() -> None:
    assert repr(Entry(3, {"key": KEY})) == "Entry(line=3)"
