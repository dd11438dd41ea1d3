"""Refusals in the audit: a few records a minute whatever clients send, counts exact, the chain whole."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway_auth.core.audit import EVERYTHING, AuditRecord
from gateway_auth.core.decision import Deny, Reason
from gateway_auth.core.policy import Policy
from gateway_auth.core.principal import build_principal
from gateway_auth.engine import refusals
from gateway_auth.engine.refusals import MAX_EXPOSURES, MAX_MARKS, MAX_REFUSALS, RefusalLedger, RefusalTally
from gateway_auth.errors import StoreUnavailable
from gateway_auth.lifecycle.verify_audit import Verified, verify_audit
from tests.adapters.conformance import save
from tests.adapters.stores import STORES, Store, app, key, place_for
from tests.fakes import START, FakeClock, address

MINUTE = 60
FIRST = START // MINUTE * MINUTE + 1
POLICY = Policy(id="orders", path="/orders")
ALICE = build_principal(subject="alice", method="api_key", scopes=frozenset(), roles=frozenset(), key_id="key1")
SCOPE = Deny(Reason.INSUFFICIENT_SCOPE, POLICY, ALICE)
INVALID = Deny(Reason.INVALID_CREDENTIAL, POLICY)
HERE, THERE = address("192.0.2.1"), address("2001:db8::1")


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with STORES[request.param](place_for(request, tmp_path)) as store:
        yield store


@pytest.fixture(params=list(STORES))
async def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with STORES[request.param](place_for(request, tmp_path)) as store:
        yield store


class Worker:
    """One worker's tally and ledger over a store."""

    def __init__(self, store: Store, *, is_complete: bool = True) -> None:
        self.clock = FakeClock(FIRST)
        self.tally = RefusalTally(self.clock.now(), is_complete=is_complete)
        self.ledger = RefusalLedger(self.tally, store, self.clock)

    def refuse(self, denial: Deny, times: int = 1, client: Any = HERE) -> None:
        for _ in range(times):
            self.tally.note(denial, client)

    async def end_minute(self) -> None:
        self.clock.advance(MINUTE)
        await self.ledger.write()


async def records(store: Store) -> list[AuditRecord]:
    """What the audit holds of refusals."""
    async with store.reading() as snapshot:
        page = await snapshot.audit.page(EVERYTHING, limit=1000)
    wanted = ("request.denied", "key.exposed", "admin.exposed")
    return [sealed.record for sealed in page if sealed.record.action in wanted]


def fields(record: AuditRecord) -> dict[str, Any]:
    """What a record says of its refusals."""
    found: dict[str, Any] = json.loads(record.after or "{}")
    return found


async def counts(store: Store) -> Counter[str]:
    """How many refusals the audit knows of, by reason."""
    found: Counter[str] = Counter()
    for record in await records(store):
        found[fields(record).get("reason", record.action)] += fields(record)["count"]
    return found


async def test_a_minute_of_refusals_is_a_record_for_each_reason_key_and_route(store: Store) -> None:
    worker = Worker(store)
    worker.refuse(SCOPE, 3)
    worker.refuse(INVALID, 2)
    worker.refuse(INVALID, 1, THERE)
    worker.refuse(Deny(Reason.NO_MATCHING_ROUTE), 1, None)
    await worker.ledger.write()
    assert await records(store) == []
    await worker.end_minute()
    until = "2023-11-14T22:14:01Z"
    assert [(one.object_kind, one.object_id, one.address, fields(one)) for one in await records(store)] == [
        ("key", "key1", "192.0.2.1", {"reason": "insufficient_scope", "route": "orders", "count": 3, "until": until}),
        ("route", "orders", None, {"reason": "invalid_credential", "route": "orders", "count": 3, "until": until}),
        ("route", "", None, {"reason": "no_matching_route", "route": "", "count": 1, "until": until}),
    ]
    assert {(one.actor, one.action, one.outcome, one.at) for one in await records(store)} == {
        ("system:gateway", "request.denied", "denied", FIRST)
    }


async def test_nothing_is_written_where_nothing_was_refused_nor_changed_for_workers(store: Store) -> None:
    worker = Worker(store)
    await worker.end_minute()
    assert await records(store) == []
    worker.refuse(SCOPE)
    await worker.end_minute()
    assert len(await records(store)) == 1
    assert await store.current_revision() == 0


async def test_a_flood_of_kinds_is_bounded_in_memory_and_in_records_and_counted_to_the_last(store: Store) -> None:
    worker = Worker(store)
    for number in range(5 * MAX_MARKS):
        route = Policy(id=f"route{number}", path="/x")
        worker.refuse(Deny(Reason.RATE_LIMITED, route), 1 + (number == 17) * 9)
        worker.refuse(Deny(Reason.INVALID_CREDENTIAL, route))
    assert len(list(worker.tally._refusals.items())) <= MAX_MARKS + len(Reason)
    await worker.end_minute()
    found = await records(store)
    assert len(found) <= MAX_REFUSALS + len(Reason)
    assert "route17" in {one.object_id for one in found}  # the most frequent keeps its own
    assert {one.object_id for one in found if one.object_kind == "route"} >= {"*"}
    assert await counts(store) == {"rate_limited": 5 * MAX_MARKS + 9, "invalid_credential": 5 * MAX_MARKS}


class Away:
    """A registry whose store is down, until it comes back."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_down = True

    def reading(self) -> Any:
        return self._open(self._store.reading)

    def transaction(self) -> Any:
        return self._open(self._store.transaction)

    def _open(self, opened: Any) -> Any:
        if self.is_down:
            raise StoreUnavailable("down")
        return opened()


async def test_what_the_store_does_not_take_is_counted_with_what_comes_next(store: Store) -> None:
    away = Away(store)
    clock = FakeClock(FIRST)
    tally = RefusalTally(clock.now(), is_complete=True)
    ledger = RefusalLedger(tally, away, clock)
    for _ in range(3):
        tally.note(SCOPE, HERE)
        tally.note(Deny(Reason.CREDENTIAL_IN_URL, POLICY, exposed_key_id="key1"), HERE)
        clock.advance(MINUTE)
        with pytest.raises(StoreUnavailable):
            await ledger.write()
    away.is_down = False
    clock.advance(MINUTE)
    await ledger.write()
    assert await counts(store) == {"insufficient_scope": 3, "credential_in_url": 3, "key.exposed": 3}
    assert {one.at for one in await records(store)} == {FIRST}


async def test_who_stops_writes_the_minute_under_way(store: Store) -> None:
    worker = Worker(store)
    worker.refuse(SCOPE)
    worker.ledger.finish()
    await worker.ledger.write()
    assert await counts(store) == {"insufficient_scope": 1}


async def test_a_writing_that_is_cancelled_loses_no_count(store: Store) -> None:
    worker = Worker(store)
    worker.refuse(SCOPE, 3)
    worker.clock.advance(MINUTE)
    async with store.transaction():  # another writer, for whom it waits
        writing = asyncio.create_task(worker.ledger.write())
        await asyncio.wait((writing,), timeout=0.05)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    worker.ledger.finish()
    await worker.ledger.write()
    assert await counts(store) == {"insufficient_scope": 3}


async def test_workers_that_write_at_once_leave_a_whole_chain(any_store: Store) -> None:
    workers = [Worker(any_store) for _ in range(8)]
    for worker in workers:
        worker.refuse(SCOPE, 5)
        worker.refuse(INVALID, 2)
    await asyncio.gather(*(worker.end_minute() for worker in workers))
    assert await counts(any_store) == {"insufficient_scope": 40, "invalid_credential": 16}
    verdict = await verify_audit(any_store)
    assert isinstance(verdict, Verified)
    assert verdict.count == 16


async def test_secrets_in_urls_are_told_of_even_where_refusals_are_not(store: Store) -> None:
    await save(store, app(), key("key1"))
    worker = Worker(store, is_complete=False)
    worker.refuse(SCOPE, 9)
    worker.refuse(Deny(Reason.CREDENTIAL_IN_URL, POLICY, exposed_key_id="key1"), 2)
    worker.refuse(Deny(Reason.CREDENTIAL_IN_URL, POLICY, exposed_admin_id="nobody"))
    await worker.end_minute()
    found = [(one.action, one.object_kind, one.object_id, one.outcome, fields(one)["count"])
             for one in await records(store)]  # fmt: skip
    assert found == [
        ("key.exposed", "key", "key1", "denied", 2),
        ("admin.exposed", "admin", "*", "denied", 1),
    ]


async def test_the_first_secrets_in_urls_of_a_minute_do_not_wait_for_its_end(store: Store) -> None:
    await save(store, app(), key("key1"))
    worker = Worker(store)
    exposed = Deny(Reason.CREDENTIAL_IN_URL, POLICY, exposed_key_id="key1")
    await worker.end_minute()
    began = worker.clock.now()
    for _ in range(3):
        worker.refuse(exposed)
        worker.clock.advance(5)
        await worker.ledger.write()
        assert await counts(store) == {"key.exposed": 1}
    await worker.end_minute()
    assert await counts(store) == {"key.exposed": 3, "credential_in_url": 3}
    assert [one.at for one in await records(store)] == [began, began + 5, began]


async def test_made_up_ids_are_counted_together_and_crowd_out_no_key_there_is(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "MAX_MARKS", 30)
    await save(store, app(), key("key1"))
    worker = Worker(store, is_complete=False)
    worker.refuse(Deny(Reason.CREDENTIAL_IN_URL, POLICY, exposed_key_id="key1"))
    for number in range(100):
        worker.refuse(Deny(Reason.CREDENTIAL_IN_URL, POLICY, exposed_key_id=f"made-up{number}"), 3)
    await worker.end_minute()
    found = {one.object_id: fields(one)["count"] for one in await records(store)}
    assert found == {"key1": 1, "*": 300}
    assert len(found) <= MAX_EXPOSURES + 1
