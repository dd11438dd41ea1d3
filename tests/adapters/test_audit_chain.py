"""Records that were tampered with, in every way SQL allows, are found and named; so is a tail that was cut off."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway_auth.adapters.memory_registry import MemoryRegistry
from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.sql.rows import audit_row
from gateway_auth.adapters.sql.schema import audit, head
from gateway_auth.core.audit import EVERYTHING, AuditHead, SealedRecord, link
from gateway_auth.errors import StoreUnavailable
from gateway_auth.lifecycle.verify_audit import Broken, Verified, verify_audit
from tests.adapters.stores import add_change, event, place_for, sql_store, url_of

COUNT = 7
COLUMNS = "at, actor, action, object_kind, object_id, outcome, request_id, address, before, after, hash"  # all but seq
EDITS = {
    "at": "99.5", "actor": "'cli:eve'", "action": "'key.enable'", "object_kind": "'app'", "object_id": "'key9'",
    "outcome": "'denied'", "request_id": "''", "address": "'192.0.2.1'", "before": "NULL", "after": "'{}'",
    "hash": "(SELECT hash FROM audit WHERE seq = 2)",
}  # fmt: skip
REMOVE_3 = "DELETE FROM audit WHERE seq = 3"
CUT_AFTER_4 = "DELETE FROM audit WHERE seq > 4"
LAST_HASH = "SELECT hash FROM audit ORDER BY seq DESC LIMIT 1"
HEAD_TO_LAST = f"UPDATE head SET audit_seq = (SELECT max(seq) FROM audit), audit_hash = ({LAST_HASH})"
# A primary key is checked row by row: aside first, then into place.
SHIFT_BACK = ("UPDATE audit SET seq = -seq WHERE seq > 3", "UPDATE audit SET seq = -seq - 1 WHERE seq < 0")
SHIFT_ON = ("UPDATE audit SET seq = -seq WHERE seq > 3", "UPDATE audit SET seq = -seq + 1 WHERE seq < 0")
SWAP_3_AND_5 = (
    "UPDATE audit SET seq = -3 WHERE seq = 3",
    "UPDATE audit SET seq = 3 WHERE seq = 5",
    "UPDATE audit SET seq = 5 WHERE seq = -3",
)


def copied(seq: int, to: int) -> str:
    """A copy of a record under another number."""
    return f"INSERT INTO audit (seq, {COLUMNS}) SELECT {to}, {COLUMNS} FROM audit WHERE seq = {seq}"


TAMPERED: dict[str, tuple[tuple[str, ...], int, str]] = {
    **{
        f"edited {name}": ((f"UPDATE audit SET {name} = {to} WHERE seq = 3",), 3, "was changed")
        for name, to in EDITS.items()
    },
    "removed": ((REMOVE_3,), 3, "is missing: record 4 comes after record 2"),
    "removed and closed up": ((REMOVE_3, *SHIFT_BACK), 3, "was changed"),
    "removed, closed up, head too": ((REMOVE_3, *SHIFT_BACK, HEAD_TO_LAST), 3, "was changed"),
    "first removed": (("DELETE FROM audit WHERE seq = 1",), 1, "is missing"),
    "swapped": (SWAP_3_AND_5, 3, "put in another's place"),
    "inserted": ((*SHIFT_ON, copied(2, 4)), 4, "was changed"),
    "added": ((copied(7, 8),), 8, "was changed"),
    "added far": ((copied(7, 80),), 8, "is missing"),
    "before the first": ((copied(7, 0),), 0, "before the first"),
    "tail cut": ((CUT_AFTER_4,), 5, "is missing: the store remembers 7 records"),
    "all cut": (("DELETE FROM audit",), 1, "is missing: the store remembers 7 records"),
    "head set back": (("UPDATE head SET audit_seq = 4",), 5, "was added after the end"),
    "head of another": ((f"UPDATE head SET audit_hash = ({LAST_HASH} OFFSET 3)",), 7, "remembers as its last"),
}  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlStore]:
    """A store with `COUNT` records."""
    async with sql_store(url_of(request.param, place_for(request, tmp_path))) as store:
        for number in range(COUNT):
            await add_change(store, f"key{number}", at=number / 8)
        yield store


async def test_what_nobody_touched_is_verified_with_its_head(store: SqlStore) -> None:
    last = await head_of(store)
    assert await verify_audit(store) == Verified(COUNT, last)
    assert await verify_audit(store, {last.seq: last.hash}) == Verified(COUNT, last)


async def test_tampering_is_found_and_the_first_bad_record_named(store: SqlStore) -> None:
    async with store.reading() as snapshot:
        records = await snapshot.audit.page(EVERYTHING, limit=100)
    found = {}
    for name, (statements, _, said) in TAMPERED.items():
        await tamper(store, *statements)
        verdict = await verify_audit(store)
        assert isinstance(verdict, Broken), name
        assert said in verdict.what, name
        found[name] = verdict.seq
        await put_back(store, records)
    assert found == {name: seq for name, (_, seq, _) in TAMPERED.items()}
    assert await verify_audit(store) == Verified(COUNT, records[-1].head)


async def test_an_edit_whose_hash_was_made_anew_is_found_at_the_next_record(store: SqlStore) -> None:
    await tamper(store, "UPDATE audit SET actor = 'cli:eve' WHERE seq = 3")
    await rehash(store, 3, 3)
    verdict = await verify_audit(store)
    assert isinstance(verdict, Broken)
    assert verdict.seq == 4


async def test_a_tail_cut_with_the_head_is_found_by_an_anchor(store: SqlStore) -> None:
    anchor = await head_of(store)
    await tamper(store, CUT_AFTER_4, HEAD_TO_LAST)
    assert await verify_audit(store) == Verified(4, await head_of(store))
    said = "is missing: an anchor was written at record 7"
    assert await verify_audit(store, {anchor.seq: anchor.hash}) == Broken(5, said)


async def test_a_tail_cut_and_grown_again_is_found_by_an_anchor(store: SqlStore) -> None:
    anchor = await head_of(store)
    await tamper(store, CUT_AFTER_4, HEAD_TO_LAST)
    for _ in range(5):
        await add_change(store, "key9")
    assert await verify_audit(store) == Verified(9, await head_of(store))
    verdict = await verify_audit(store, {anchor.seq: anchor.hash})
    assert isinstance(verdict, Broken)
    assert verdict.seq == anchor.seq


async def test_a_chain_written_anew_is_found_by_an_anchor(store: SqlStore) -> None:
    anchor = await head_of(store)
    await tamper(store, "UPDATE audit SET actor = 'cli:eve' WHERE seq = 3")
    await rehash(store, 3, COUNT)
    await tamper(store, HEAD_TO_LAST)
    assert await verify_audit(store) == Verified(COUNT, await head_of(store))
    verdict = await verify_audit(store, {anchor.seq: anchor.hash})
    assert isinstance(verdict, Broken)
    assert "another one than its anchor says" in verdict.what


async def test_an_emptied_store_is_found_by_an_anchor_alone(store: SqlStore) -> None:
    anchor = await head_of(store)
    async with store._driver.engine.begin() as connection:
        await connection.execute(text("DELETE FROM audit"))
        await connection.execute(text("UPDATE head SET audit_seq = 0, audit_hash = :zeros"), {"zeros": bytes(32)})
    assert await verify_audit(store) == Verified(0, AuditHead(0, bytes(32)))
    verdict = await verify_audit(store, {anchor.seq: anchor.hash})
    assert isinstance(verdict, Broken)
    assert verdict.seq == 1


async def test_verifying_goes_on_while_others_write(store: SqlStore) -> None:
    async def write() -> None:
        for _ in range(40):
            await add_change(store, "key1")

    writing = asyncio.create_task(write())
    while not writing.done():
        assert isinstance(await verify_audit(store), Verified)
    await writing
    assert await verify_audit(store) == Verified(COUNT + 40, await head_of(store))


async def test_a_column_of_another_type_is_a_finding_not_a_failure(tmp_path: Path) -> None:
    for number, value in enumerate(("'soon'", "x'ff'", "9e999", "12345678901234567890123")):
        (tmp_path / str(number)).mkdir()
        async with sql_store(f"sqlite:///{tmp_path}/{number}/gateway.db") as store:
            await add_change(store, "key1")
            await tamper(store, f"UPDATE audit SET before = {value}, at = {value}")
            assert await verify_audit(store) == Broken(
                1, "does not follow from those before it: it was changed, or put in another's place"
            )


async def test_every_store_makes_the_same_chain_of_the_same_events(store: SqlStore) -> None:
    memory = MemoryRegistry()
    for number in range(COUNT):
        async with memory.transaction() as transaction:
            await transaction.record(event(f"key{number}", at=number / 8))
    async with store.reading() as snapshot:
        records = list(await snapshot.audit.page(EVERYTHING, limit=100))
    assert records == memory.records


async def test_a_witnessed_event_is_in_the_audit_and_no_change(store: SqlStore) -> None:
    async with store.transaction() as transaction:
        await transaction.witness(event("key1"))
        assert transaction.audit_head.seq == COUNT + 1
    assert await store.current_revision() == COUNT
    assert await verify_audit(store) == Verified(COUNT + 1, transaction.audit_head)


async def test_a_head_that_is_none_is_an_outage(tmp_path: Path) -> None:
    async with sql_store(f"sqlite:///{tmp_path}/gateway.db") as store:
        await add_change(store, "key1")
        await tamper(store, "UPDATE head SET audit_hash = 'text'")
        with pytest.raises(StoreUnavailable, match="restore it from a backup"):
            await add_change(store, "key1")


async def tamper(store: SqlStore, *statements: str) -> None:
    """As somebody with the database's password would."""
    async with store._driver.engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def put_back(store: SqlStore, records: Sequence[SealedRecord]) -> None:
    """The audit as it was."""
    async with store._driver.engine.begin() as connection:
        await connection.execute(audit.delete())
        await connection.execute(audit.insert(), [audit_row(sealed) for sealed in records])
        await connection.execute(head.update(), {"audit_seq": records[-1].head.seq, "audit_hash": records[-1].hash})


async def rehash(store: SqlStore, first: int, last: int) -> None:
    """As somebody would who knows how the chain is made."""
    async with store.reading() as snapshot:
        records = await snapshot.audit.page(EVERYTHING, limit=last)
    digest = records[first - 2].hash
    async with store._driver.engine.begin() as connection:
        for sealed in records[first - 1 :]:
            digest = link(digest, sealed.record)
            values = {"hash": digest, "seq": sealed.record.seq}
            await connection.execute(text("UPDATE audit SET hash = :hash WHERE seq = :seq"), values)


async def head_of(store: SqlStore) -> AuditHead:
    async with store.reading() as snapshot:
        return (await snapshot.audit.standing()).head
