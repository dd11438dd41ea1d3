"""Every outbox against the one suite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway_auth.adapters.memory_outbox import MemoryOutbox
from gateway_auth.adapters.sql.outbox import SqlOutbox
from gateway_auth.core.webhook import Delivery
from gateway_auth.ports.webhooks import Outbox
from tests.adapters.stores import place_for, sql_store, url_of

NOW = 1_800_000_000.5


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Outbox]:
    if request.param == "memory":
        yield MemoryOutbox()
        return
    async with sql_store(url_of(request.param, place_for(request, tmp_path))) as store:
        yield SqlOutbox(store)


def a_delivery(number: int = 1, webhook_id: str = "ops", **changes: object) -> Delivery:
    plain = Delivery(
        id=f"{webhook_id}/audit-{number:04}", webhook_id=webhook_id, event_id=f"audit-{number:04}",
        event_type="key.create", body='{"type":"key.create"}', created_at=NOW, next_at=NOW,
    )  # fmt: skip
    return replace(plain, **changes)


async def everything(outbox: Outbox) -> list[Delivery]:
    return list(await outbox.page(status=None, limit=1000))


async def test_a_cursor_begins_where_it_is_put_and_moves_with_its_deliveries(outbox: Outbox) -> None:
    assert await outbox.cursor("ops") is None
    assert await outbox.advance("ops", None, 7, ())
    assert not await outbox.advance("ops", None, 9, [a_delivery()])
    assert await outbox.advance("ops", 7, 8, [a_delivery(8)])
    assert not await outbox.advance("ops", 7, 9, [a_delivery(9)])
    assert (await outbox.cursor("ops"), await outbox.cursor("other")) == (8, None)
    assert await everything(outbox) == [a_delivery(8)]


async def test_of_many_who_move_it_at_once_one_does(outbox: Outbox) -> None:
    await outbox.advance("ops", None, 0, ())
    moved = await asyncio.gather(*(outbox.advance("ops", 0, 5, [a_delivery(5)]) for _ in range(8)))
    assert sorted(moved) == [False] * 7 + [True]
    assert await everything(outbox) == [a_delivery(5)]


async def test_what_is_known_is_not_added_again(outbox: Outbox) -> None:
    assert await outbox.add([a_delivery(1), a_delivery(2)]) == 2
    await outbox.settle(a_delivery(1, status="delivered", attempts=1))
    assert await outbox.add([a_delivery(1), a_delivery(3)]) == 1
    assert [one.status for one in await everything(outbox)] == ["delivered", "waiting", "waiting"]


async def test_what_is_due_is_claimed_once_earliest_first_until_the_claim_ends(outbox: Outbox) -> None:
    await outbox.add([a_delivery(number, next_at=NOW + number) for number in range(1, 6)])
    first = await outbox.claim(["ops"], NOW + 4, NOW + 60, 2)
    assert sorted(one.event_id for one in first) == ["audit-0001", "audit-0002"]
    assert {one.next_at for one in first} == {NOW + 60}
    rest = await asyncio.gather(*(outbox.claim(["ops"], NOW + 4, NOW + 60, 2) for _ in range(4)))
    assert sorted(one.event_id for claimed in rest for one in claimed) == ["audit-0003", "audit-0004"]
    assert len(await outbox.claim(["ops"], NOW + 60, NOW + 120, 10)) == 5


async def test_what_is_settled_stays_settled(outbox: Outbox) -> None:
    await outbox.add([a_delivery(number) for number in range(1, 4)])
    await outbox.settle(a_delivery(1, status="delivered", attempts=1))
    await outbox.settle(a_delivery(2, status="dead", attempts=10, last_error="answered 500"))
    await outbox.settle(a_delivery(3, attempts=1, next_at=NOW + 5, last_error="no answer"))
    assert await outbox.claim(["ops"], NOW + 4, NOW + 60, 10) == []
    assert [one.event_id for one in await outbox.page(status="dead", limit=10)] == ["audit-0002"]
    assert await outbox.get("ops/audit-0003") == a_delivery(3, attempts=1, next_at=NOW + 5, last_error="no answer")
    assert await outbox.get("ops/nothing") is None
    assert await outbox.prune_deliveries(NOW) == 0
    assert await outbox.prune_deliveries(NOW + 1) == 3
    assert await everything(outbox) == []


async def test_nobody_claims_what_is_for_a_webhook_of_others(outbox: Outbox) -> None:
    await outbox.add([a_delivery(1), a_delivery(1, "other")])
    assert await outbox.claim([], NOW, NOW + 60, 10) == []
    claimed = await outbox.claim(["other", "third"], NOW, NOW + 60, 10)
    assert [one.id for one in claimed] == ["other/audit-0001"]


async def test_pages_go_on_after_an_id(outbox: Outbox) -> None:
    await outbox.add([a_delivery(number) for number in range(1, 6)])
    page = await outbox.page(status=None, limit=2, after="ops/audit-0002")
    assert [one.event_id for one in page] == ["audit-0003", "audit-0004"]
