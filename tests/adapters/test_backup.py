"""A backup goes into every kind of store, and nothing that was taken away since comes back with it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from io import BytesIO
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.sql.backup import Backup, UnusableBackup
from gateway_auth.adapters.sql.dump import dump
from gateway_auth.adapters.sql.outbox import SqlOutbox
from gateway_auth.adapters.sql.restore import STEP, Restored, restore
from gateway_auth.adapters.system import SystemClock
from gateway_auth.core.audit import EVERYTHING, SealedRecord
from gateway_auth.core.imported import ImportedKey
from gateway_auth.core.keys import AppRecord, KeyRecord
from gateway_auth.engine.changes import ChangeFollower
from gateway_auth.lifecycle.apps import AppFields
from gateway_auth.lifecycle.key_fields import KeyFields
from gateway_auth.lifecycle.verify_audit import Verified, verify_audit
from gateway_auth.ports import ChangeBatch
from tests.adapters.conformance_revocations import revoke
from tests.adapters.stores import Place, app, key, place_for, revocation, sql_store, url_of
from tests.lifecycle.world import ACTOR, World

NOW = 1_800_000_000.5
DATABASES = ["sqlite", "postgresql"]


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place_for(request, tmp_path)


@pytest.fixture(params=DATABASES)
async def store(request: pytest.FixtureRequest, place: Place) -> AsyncIterator[SqlStore]:
    """A store with an app of two keys, and a revocation."""
    async with sql_store(url_of(request.param, place)) as store:
        async with store.transaction() as transaction:
            await transaction.apps.save(app())
        world = World(store)
        mine = await world.apps.create(ACTOR, AppFields(name="mine"))
        for name in ("first", "second"):
            await world.keys.create(ACTOR, mine.id, "live", KeyFields(name=name, scopes=["orders:read"]))
        async with store.transaction() as transaction:
            await transaction.keys.save(replace(key(), expires_at=None))
        await revoke(store, revocation())
        yield store


@pytest.mark.parametrize("into", DATABASES)
async def test_an_empty_store_becomes_what_the_backup_holds(
    store: SqlStore, place: Place, tmp_path: Path, into: str
) -> None:
    backup = await backed_up(store, tmp_path)
    async with sql_store(url_of(into, Place(tmp_path / "other", place.postgresql_url))) as other:
        (tmp_path / "other").mkdir()
        done = await restore(other, backup, ACTOR, NOW)
        assert done == Restored(was_empty=True, went_on=False, apps=2, keys=3, revocations=1)
        assert await content(other) == await content(store)
        assert (await records(other))[:-1] == await records(store)
        last = (await records(other))[-1].record
        assert (last.actor, last.action, last.object_kind) == ("cli:alice", "store.restore", "store")
        assert isinstance(await verify_audit(other), Verified)
        reading = await store.read_revocations(0)
        assert await other.read_revocations(0) == replace(reading, revision=await other.current_revision())


async def test_what_is_brought_back_is_not_told_to_webhooks_again(store: SqlStore, tmp_path: Path) -> None:
    backup = await backed_up(store, tmp_path)
    (tmp_path / "other").mkdir()
    async with sql_store(url_of("sqlite", Place(tmp_path / "other", str))) as other:
        outbox = SqlOutbox(other)
        assert await outbox.advance("ops", None, 0, ())
        await restore(other, backup, ACTOR, NOW)
        told = [sealed.record.action for sealed in (await records(other))[await outbox.cursor("ops") or 0 :]]
        assert told == ["store.restore"]


async def test_all_that_workers_knew_is_forgotten_and_the_revision_moves_on(store: SqlStore, tmp_path: Path) -> None:
    backup = await backed_up(store, tmp_path)
    forgotten: list[ChangeBatch] = []
    follower = ChangeFollower(store, SystemClock(), forgotten.append, 60)
    await follower.start()
    before = await store.current_revision()
    await restore(store, backup, ACTOR, NOW)
    assert await store.current_revision() == before + STEP
    assert await follower.catch_up()
    assert [batch.is_complete for batch in forgotten] == [False]
    for known in (0, before, before + 7, before + STEP + 1):
        assert not (await store.changes_since(known)).is_complete
    await follower.stop()


async def test_what_was_taken_away_since_stays_away_and_what_was_changed_stays_changed(
    store: SqlStore, tmp_path: Path
) -> None:
    backup = await backed_up(store, tmp_path)
    world = World(store)
    first, second = await named(store, "first"), await named(store, "second")
    await world.keys.revoke(ACTOR, first.id)
    await world.keys.update(ACTOR, second.id, KeyFields(scopes=["orders:none"]))
    await world.keys.delete(ACTOR, "key1", force=True)
    was = await content(store)
    done = await restore(store, backup, ACTOR, NOW)
    assert done == Restored(was_empty=False, went_on=True, left_out=1)
    assert await content(store) == was
    assert (await named(store, "first")).status == "revoked"
    assert isinstance(await verify_audit(store), Verified)


async def test_what_was_lost_comes_back_as_it_may_still_be(store: SqlStore, tmp_path: Path) -> None:
    world = World(store)
    mine = (await named(store, "first")).app_id
    third = (await world.keys.create(ACTOR, mine, "live", KeyFields(name="third"))).record
    backup = await backed_up(store, tmp_path)
    first, second = await named(store, "first"), await named(store, "second")
    await world.keys.revoke(ACTOR, first.id)
    await world.keys.disable(ACTOR, second.id)
    await world.keys.enable(ACTOR, second.id)
    async with store._driver.engine.begin() as connection:  # an accident at the database's own prompt
        for table in ("keys", "apps", "revocations"):
            await connection.execute(text(f"DELETE FROM {table}"))
    done = await restore(store, backup, ACTOR, NOW)
    assert done == Restored(was_empty=False, went_on=True, apps=2, keys=4, revocations=1)
    assert (await named(store, "first")).status == "revoked"
    assert (await named(store, "second")).status == "disabled", "whether it was on when it was lost is not known"
    assert await named(store, "third") == third
    assert (await store.read_revocations(0)).revocations == (revocation(),)


async def test_an_app_deleted_since_stays_deleted_with_its_keys(store: SqlStore, tmp_path: Path) -> None:
    backup = await backed_up(store, tmp_path)
    await World(store).apps.delete(ACTOR, (await named(store, "first")).app_id)
    done = await restore(store, backup, ACTOR, NOW)
    assert done == Restored(was_empty=False, went_on=True, left_out=3)
    assert list(await content(store)) == ["app_1", "key1"]


async def test_a_store_put_back_from_an_older_copy_of_its_file_goes_forward(store: SqlStore, tmp_path: Path) -> None:
    old = await backed_up(store, tmp_path, "old")
    await World(store).keys.revoke(ACTOR, (await named(store, "first")).id)
    new = await backed_up(store, tmp_path, "new")
    (tmp_path / "copy").mkdir()
    async with sql_store(f"sqlite:///{tmp_path}/copy/gateway.db") as copy:
        await restore(copy, old, ACTOR, NOW)
        # The copy has a record of its own by now: that it was restored. So has nobody else.
        with pytest.raises(UnusableBackup, match="went different ways"):
            await restore(copy, new, ACTOR, NOW)
        async with copy._driver.engine.begin() as connection:
            last = old.header.head
            await connection.execute(text("DELETE FROM audit WHERE seq > :seq"), {"seq": last.seq})
            values = {"seq": last.seq, "hash": last.hash}
            await connection.execute(text("UPDATE head SET audit_seq = :seq, audit_hash = :hash"), values)
        done = await restore(copy, new, ACTOR, NOW)
        assert done == Restored(was_empty=False, went_on=False, apps=2, keys=3, revocations=1)
        assert await content(copy) == await content(store)
        assert isinstance(await verify_audit(copy), Verified)


async def test_a_backup_of_another_store_is_refused_and_changes_nothing(store: SqlStore, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    async with sql_store(f"sqlite:///{tmp_path}/other/gateway.db") as other:
        await World(other).apps.create(ACTOR, AppFields(name="theirs"))
        backup = await backed_up(other, tmp_path)
    was, revision = await content(store), await store.current_revision()
    with pytest.raises(UnusableBackup, match="is of another store"):
        await restore(store, backup, ACTOR, NOW)
    assert (await content(store), await store.current_revision()) == (was, revision)


async def test_a_backup_is_of_one_moment_while_others_write(store: SqlStore, tmp_path: Path) -> None:
    stop = asyncio.Event()

    async def write() -> None:
        world = World(store)
        mine = (await named(store, "first")).app_id
        while not stop.is_set():
            await world.keys.create(ACTOR, mine, "live", KeyFields())

    writing = asyncio.create_task(write())
    for number in range(5):
        backup = await backed_up(store, tmp_path, str(number))  # which examines its chain, to its head
        tables = [table for table, _ in backup.rows()]
        # 2 apps and 3 keys at first, one of each without a record; a record for each key since, one for the revocation
        assert tables.count("audit") == tables.count("keys") - 1 + tables.count("apps") - 1 + 1
    stop.set()
    await writing


async def test_a_restore_that_fails_leaves_the_store_as_it_was(store: SqlStore, tmp_path: Path) -> None:
    backup = await backed_up(store, tmp_path)
    await World(store).apps.create(ACTOR, AppFields(name="more"))
    was, revision = await content(store), await store.current_revision()
    path = tmp_path / "backup"
    path.write_bytes(path.read_bytes()[:-30])  # after it was examined
    with pytest.raises(UnusableBackup, match="was cut"):
        await restore(store, backup, ACTOR, NOW)
    assert (await content(store), await store.current_revision()) == (was, revision)


SPOILT: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "is not whole"),
    "cut": (lambda whole: whole[: len(whole) // 2], "is not whole|none of a backup"),
    "without its last line": (lambda whole: whole[: whole.rindex(b'{"rows"')], "is not whole"),
    "a line less": (lambda whole: without_line(whole, 2), "is not as it was written"),
    "lines swapped": (lambda whole: swapped(whole, 1, 2), "is not as it was written"),
    "more after its end": (lambda whole: whole + b"x\n", "is not as it was written"),
    "edited": (lambda whole: whole.replace(b'"disabled"', b'"active"'), "is not as it was written"),
    "a status there is not": (lambda whole: whole.replace(b'"disabled"', b'"sleeping"'), "a row of keys"),
    "another program's": (lambda _: b'{"users": []}\n', "is not a backup"),
    "text": (lambda _: b"SQLite format 3\0\n", "is not a backup"),
    "of another form": (lambda whole: whole.replace(b"backup 1", b"backup 9"), "of another form"),
    "of another schema": (lambda whole: whole.replace(b'"schema":"', b'"schema":"9'), "made at schema 9"),
    "of another table": (lambda whole: whole.replace(b'"table":"apps"', b'"table":"head"'), "of no table"),
    "a column more": (lambda whole: whole.replace(b'{"id":"app_1"', b'{"x":1,"id":"app_1"'), "of no table"),
    "a value of no column": (lambda whole: whole.replace(b'"plan":"free"', b'"plan":{}'), "no column takes"),
    "a digest that is none": (lambda whole: whole.replace(b'"digest":"', b'"digest":"?'), "no column takes"),
    "a line without an end": (lambda whole: whole + b"x" * 5_000_000, "is not as it was written"),
}  # fmt: skip


async def test_a_spoilt_backup_is_refused(store: SqlStore, tmp_path: Path) -> None:
    await backed_up(store, tmp_path)
    whole = (tmp_path / "backup").read_bytes()
    for spoil, said in SPOILT.values():
        (tmp_path / "spoilt").write_bytes(spoil(whole))
        with pytest.raises(UnusableBackup, match=said):
            Backup(tmp_path / "spoilt")


async def test_keys_that_were_issued_elsewhere_come_back_with_their_hashes(
    store: SqlStore, place: Place, tmp_path: Path
) -> None:
    imported = ImportedKey(key_id="key1", lookup=bytes(32), pepper_id="p", hash_kind="argon2id", hash="$argon2id$")
    async with store.transaction() as transaction:
        await transaction.imported.save(imported)
    backup = await backed_up(store, tmp_path)
    (tmp_path / "other").mkdir()
    async with sql_store(url_of("sqlite", Place(tmp_path / "other", place.postgresql_url))) as other:
        assert (await restore(other, backup, ACTOR, NOW)).imported_keys == 1
        assert await other.find_imported([imported.lookup]) == [imported]
    async with store.writing() as guarded:
        await guarded.run(text("DELETE FROM imported_keys"))
        await guarded.commit()
    await World(store).apps.update(ACTOR, (await named(store, "first")).app_id, AppFields(name="later"))
    assert (await restore(store, backup, ACTOR, NOW)).imported_keys == 1
    assert await store.find_imported([imported.lookup]) == [imported]


async def backed_up(store: SqlStore, directory: Path, name: str = "backup") -> Backup:
    file = BytesIO()
    await dump(store, file, NOW)
    (directory / name).write_bytes(file.getvalue())
    return Backup(directory / name)


async def content(store: SqlStore) -> dict[str, AppRecord | KeyRecord]:
    """Every app and key by id."""
    async with store.reading() as snapshot:
        apps, keys = await snapshot.apps.page(limit=1000), await snapshot.keys.page(limit=1000)
    return {**{record.id: record for record in apps}, **{record.id: record for record in keys}}


async def records(store: SqlStore) -> list[SealedRecord]:
    async with store.reading() as snapshot:
        return list(await snapshot.audit.page(EVERYTHING, limit=1000))


async def named(store: SqlStore, name: str) -> KeyRecord:
    async with store.reading() as snapshot:
        (found,) = [key for key in await snapshot.keys.page(limit=1000) if key.name == name]
    return found


def without_line(whole: bytes, number: int) -> bytes:
    lines = whole.splitlines(keepends=True)
    return b"".join(lines[:number] + lines[number + 1 :])


def swapped(whole: bytes, one: int, other: int) -> bytes:
    lines = whole.splitlines(keepends=True)
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)
