"""Slots in a real server: shared by workers, free when one dies, right again after whatever befell Redis (L13, 063)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot

from gateway_auth import GatewayAuth
from gateway_auth.adapters.redis.connection import RedisConnection
from gateway_auth.adapters.redis.limit_store import RedisLimitStore
from gateway_auth.adapters.redis.script import Script
from gateway_auth.adapters.redis.slot_table import RedisSlotTable
from gateway_auth.core.limits import LimitSet
from gateway_auth.core.slots import SlotAnswer, SlotWish
from gateway_auth.engine.shared_slots import SharedSlots
from gateway_auth.errors import RedisUnavailable
from gateway_auth.ports import SlotStore
from tests.adapters.slot_conformance import SlotStoreConformance, of, release, slots, take
from tests.asgi.raw import get, lifespan
from tests.asgi.test_in_flight import Slow, inside
from tests.asgi.world import Site, build_site
from tests.redis.callers import Caller, client_of, cluster_client_of
from tests.redis.faulty_proxy import FaultyProxy, faulty_proxy
from tests.redis.patience import PATIENCE, until
from tests.redis.server import running_cluster, running_server
from tests.redis.slot_holder import open_slots

LEASE = 0.6
A, B = b"a" * 32, b"b" * 32


def wish(room: int, *names: bytes) -> SlotWish:
    return SlotWish(names or (A,), (room,) * len(names or (A,)))


@pytest.fixture
def place(prefix: str) -> bytes:
    return f"{prefix}:{{{prefix}:limits}}:".encode()


@pytest.fixture
async def client(port: int) -> AsyncIterator[Redis]:
    one = client_of(port)
    yield one
    await one.aclose()


@asynccontextmanager
async def a_worker(port: int, place: bytes, lease_seconds: float = 30.0) -> AsyncIterator[SharedSlots]:
    connection = RedisConnection(f"redis://127.0.0.1:{port}/0", timeout_seconds=5)
    store = open_slots(connection, place, lease_seconds)
    try:
        yield store
    finally:
        await store.close()
        await connection.close()


class TestSlotsInRedis(SlotStoreConformance):
    @pytest.fixture
    async def store(self, port: int, place: bytes) -> AsyncIterator[SlotStore]:
        async with a_worker(port, place) as store:
            yield store

    def held(self, store: SlotStore) -> int:
        assert isinstance(store, SharedSlots)
        return store.held()


# -- what is sent and what a reply means ---------------------------------------------------------------------------


class Liar:
    """A ScriptCaller that replies what it is told to."""

    def __init__(self, reply: object) -> None:
        self.reply = reply
        self.keys: Sequence[bytes] = ()

    async def call(self, script: Script, keys: Sequence[bytes], args: Sequence[bytes]) -> object:
        self.keys = keys
        return self.reply


@pytest.mark.parametrize(
    "reply",
    [
        None, b"OK", 7, [], {}, [None], [b"1"], [[]], [[1]], [[1, 4]], [[1, 4, 4, 4]], [[2, 4, 4]], [[-1, 4, 4]],
        [[1, -1, 4]], [[1, b"4", 4]], [[1, 4.5, 4]], [[True, 4, 4]], [[1, 4, 4], [1, 4, 4]], [[1, None, 4]],
    ],
    ids=str,
)  # fmt: skip
async def test_a_reply_that_is_none_is_an_outage(reply: object) -> None:
    with pytest.raises(RedisUnavailable) as caught:
        await RedisSlotTable(Liar(reply), b"").tell({}, [wish(5, A, B)])
    assert caught.value.kind == "garbage"


async def test_what_a_reply_says() -> None:
    table = RedisSlotTable(Liar([[1, 4, 0], [0, 0, 3]]), b"")
    assert await table.tell({}, [wish(5, A, B), wish(5, A, B)]) == [SlotAnswer(True, (4, 0)), SlotAnswer(False, (0, 3))]


async def test_all_keys_lie_in_the_hash_slot_of_the_windows() -> None:
    liar = Liar([[1, 4, 4]])
    place = RedisLimitStore(liar, "gwa").place
    await RedisSlotTable(liar, place).tell({A: 1, b"c": 0}, [wish(5, A, B)])
    assert len(liar.keys) == 3
    assert {key_slot(key) for key in liar.keys} == {key_slot(place)}


# -- the script ----------------------------------------------------------------------------------------------------


@pytest.fixture
def tables(client: Redis, place: bytes) -> list[RedisSlotTable]:
    """Three workers."""
    return [RedisSlotTable(Caller(client), place, LEASE) for _ in range(3)]


async def test_what_a_worker_says_replaces_what_it_said(tables: list[RedisSlotTable]) -> None:
    one, other, _ = tables
    for count, left in ((3, 1), (5, 0), (0, 4), (4, 0)):
        assert await one.tell({A: count}, ()) == []
        (answer,) = await other.tell({A: 0}, [wish(5)])
        assert answer.left == (left,)


async def test_wishes_of_one_call_are_granted_in_order_and_each_wholly_or_not(tables: list[RedisSlotTable]) -> None:
    both, only_a = SlotWish((A, B), (2, 1)), SlotWish((A,), (2,))
    answers = await tables[0].tell({}, [both, both, only_a, only_a])
    assert answers == [
        SlotAnswer(True, (1, 0)),
        SlotAnswer(False, (1, 0)),
        SlotAnswer(True, (0,)),
        SlotAnswer(False, (0,)),
    ]


async def test_a_call_that_comes_late_changes_nothing(
    tables: list[RedisSlotTable], client: Redis, place: bytes
) -> None:
    one, other, _ = tables
    await one.tell({}, [wish(5)])
    await one.tell({A: 0}, ())
    one._calls = 0
    assert await one.tell({A: 3}, ()) == []
    with pytest.raises(RedisUnavailable):
        await one.tell({A: 3, B: 1}, [wish(5)])
    (answer,) = await other.tell({}, [wish(5)])
    assert answer.left == (4,)
    assert not await client.exists(place + B)


async def test_a_refused_wish_writes_nothing(tables: list[RedisSlotTable], client: Redis, place: bytes) -> None:
    await tables[0].tell({A: 5}, ())
    before = await client.hgetall(place + A)
    assert not (await tables[1].tell({}, [wish(5, A, B)]))[0].is_granted
    assert await client.hgetall(place + A) == before
    assert not await client.exists(place + B)


async def test_all_keys_expire(tables: list[RedisSlotTable], client: Redis, place: bytes) -> None:
    await tables[0].tell({A: 1}, [wish(5, A, B)])
    await tables[0].tell({A: 0}, ())
    for name in (A, B):
        assert 0 < await client.pttl(place + name) <= LEASE * 1000
    await until(lambda: _is_gone(client, place + A, place + B))


async def _is_gone(client: Redis, *keys: bytes) -> bool:
    return await client.exists(*keys) == 0


async def test_who_is_not_heard_any_more_is_forgotten_beside_others_who_are(
    tables: list[RedisSlotTable], client: Redis, place: bytes
) -> None:
    dead, alive, other = tables
    await dead.tell({A: 3}, ())

    async def has_room() -> bool:
        await alive.tell({A: 2}, ())
        (answer,) = await other.tell({}, [wish(5)])
        return answer.is_granted

    assert not await has_room()
    await until(has_room)
    assert dead._id not in await client.hgetall(place + A)


async def test_a_servers_clock_that_was_set_back_keeps_nobody_for_longer_than_the_lease(
    tables: list[RedisSlotTable], client: Redis, place: bytes
) -> None:
    await client.hset(place + A, "worker of later", f"7 5 {10**15}")

    async def has_room() -> bool:
        return (await tables[0].tell({}, [wish(5)]))[0].is_granted

    assert not await has_room()
    await until(has_room)


async def test_what_no_worker_wrote_counts_for_nothing(
    tables: list[RedisSlotTable], client: Redis, place: bytes
) -> None:
    await client.hset(place + A, mapping={"x": "", "y": "1 2", "z": "1 9 9999999999999999 1", "": "-1 -1 -1"})
    (answer,) = await tables[0].tell({}, [wish(5)])
    assert answer == SlotAnswer(True, (4,))
    assert list(await client.hgetall(place + A)) == [tables[0]._id]


@pytest.mark.slow
async def test_in_a_cluster(prefix: str) -> None:
    with running_cluster() as port:
        client = cluster_client_of(port)
        place = f"{prefix}:{{{prefix}:limits}}:".encode()
        one, other = (RedisSlotTable(Caller(client), place) for _ in range(2))
        names = [b"%d" % number for number in range(40)]
        assert (await one.tell({}, [wish(1, *names)]))[0].is_granted
        assert not (await other.tell({}, [wish(1, *names[:3])]))[0].is_granted
        await one.tell(dict.fromkeys(names, 0), ())
        assert (await other.tell({}, [wish(1, *names)]))[0].is_granted
        await client.aclose()


# -- workers -------------------------------------------------------------------------------------------------------


async def test_workers_never_lend_one_too_many(port: int, place: bytes) -> None:
    limits = of(slots(7), slots(20))
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(a_worker(port, place)) for _ in range(4)]
        for _ in range(20):
            outcomes = await asyncio.gather(*(take(store, limits, "alice", 0) for store in stores * 10))
            assert all(outcome.counted is None for outcome in outcomes)
            admitted = [outcome for outcome in outcomes if outcome.is_admitted]
            assert len(admitted) == 7
            release(admitted)
            await asyncio.gather(*(_said(store) for store in stores))


async def _said(store: SharedSlots) -> None:
    await until(lambda: not store._teller._told)


@contextmanager
def holder(port: int, place: bytes, key: str, room: int, wanted: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A worker in a process of its own, and how many slots it got."""
    arguments = [str(port), place.decode(), str(LEASE), key, str(room), str(wanted)]
    command = [sys.executable, "-m", "tests.redis.slot_holder", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    with process, process.stdin, process.stdout:
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()
            process.wait()


@pytest.mark.slow
async def test_a_worker_that_is_killed_frees_its_slots_within_the_lease_and_not_while_it_lives(
    port: int, place: bytes
) -> None:
    limit = slots(5)
    async with a_worker(port, place, LEASE) as store:
        with holder(port, place, limit.key, 5, 9) as (process, count):
            assert count == 5
            loop = asyncio.get_running_loop()
            end = loop.time() + 3 * LEASE
            while loop.time() < end:
                assert not (await take(store, of(limit), "alice")).is_admitted
                await asyncio.sleep(0.02)
            process.kill()
            await until(lambda: _is_lent(store, of(limit)))
            outcomes = [await take(store, of(limit), "alice") for _ in range(9)]
            assert sum(outcome.is_admitted for outcome in outcomes) == 4


async def _is_lent(store: SharedSlots, limits: LimitSet) -> bool:
    return (await take(store, limits, "alice")).is_admitted


@pytest.mark.slow
async def test_a_worker_that_ends_frees_its_slots_at_once(port: int, place: bytes) -> None:
    limit = slots(5)
    async with a_worker(port, place, 600.0) as store:
        with holder(port, place, limit.key, 5, 5) as (process, count):
            assert count == 5
            assert not (await take(store, of(limit), "alice")).is_admitted
            await asyncio.to_thread(process.communicate, "\n")
            assert (await take(store, of(limit), "alice")).is_admitted


@pytest.mark.slow
async def test_a_server_that_lost_everything_learns_what_is_held(place: bytes) -> None:
    limits = of(slots(2))
    with running_server() as port:
        async with a_worker(port, place, LEASE) as one, a_worker(port, place, LEASE) as other:
            held = [await take(one, limits, "alice") for _ in range(2)]
            async with client_of(port) as client:
                await client.flushall()
                await until(lambda: _is_there(client, place))
            assert not (await take(other, limits, "alice")).is_admitted
            release(held)
            await until(lambda: _is_lent(other, limits))


async def _is_there(client: Redis, place: bytes) -> bool:
    return bool(await client.keys(place + b"*"))


# -- whole gateways ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return build_site(tmp_path_factory.mktemp("site"))


@pytest.fixture
async def proxy(port: int) -> AsyncIterator[FaultyProxy]:
    async with faulty_proxy(port) as opened:
        yield opened


@asynccontextmanager
async def gateways(site: Site, url: str, prefix: str, app: Any) -> AsyncIterator[list[GatewayAuth]]:
    """Two workers of one deployment."""
    modes = ("local", "deny", "allow")
    limits = {mode: [{"in_flight": 4, "by": "key", "on_unavailable": mode}] for mode in modes}
    config = site.config([{"id": mode, "path": f"/{mode}", "limits": limits[mode]} for mode in modes])
    config["redis"] = {"url": url, "key_prefix": prefix}
    async with AsyncExitStack() as stack:
        workers = [GatewayAuth(app, config=config) for _ in range(2)]
        for worker in workers:
            await stack.enter_async_context(lifespan(worker))
        for worker in workers:
            shared = (await worker._runtime.start()).shared
            assert shared is not None
            await until(lambda shared=shared: shared.share.workers == 2)
        yield workers


async def fill(workers: list[GatewayAuth], app: Slow, path: str, key: str) -> list[int]:
    """Statuses of what was refused, when each worker was asked nine times and what was admitted stays."""
    tasks = [asyncio.create_task(get(worker, path, key)) for worker in workers for _ in range(9)]
    try:
        await until(lambda: app.inside + sum(task.done() for task in tasks) == len(tasks))
        return [(await task).status for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.slow
async def test_gateways_share_slots_and_in_trouble_each_limit_is_what_it_says(
    template: Site, proxy: FaultyProxy, prefix: str
) -> None:
    app, key = Slow(), template.keys["plain"]
    async with gateways(template, proxy.url, prefix, app) as workers:
        for path in ("/local", "/deny", "/allow"):
            assert await fill(workers, app, path, key) == [429] * 14
        await inside(app, 0)
        proxy.fault = "hang"
        assert await fill(workers, app, "/local", key) == [429] * 14  # two each, which makes four
        assert await fill(workers, app, "/deny", key) == [503] * 18
        assert await fill(workers, app, "/allow", key) == []
        proxy.fault = "none"
        await until(lambda: _is_whole(workers))
        for path in ("/local", "/deny", "/allow"):
            assert await fill(workers, app, path, key) == [429] * 14


async def _is_told(workers: list[GatewayAuth]) -> bool:
    """Whether Redis knows what they hold: all of it was said, and each call answered."""
    for worker in workers:
        shared = (await worker._runtime.start()).shared
        assert shared is not None
        teller = shared.slots._teller
        if teller._untold or teller._task is not None or not teller._told:
            return False
    return True


async def _is_whole(workers: list[GatewayAuth]) -> bool:
    return not any([(await worker._runtime.start()).degraded for worker in workers])


@pytest.mark.slow
async def test_what_ran_through_an_outage_is_known_after_it(template: Site, proxy: FaultyProxy, prefix: str) -> None:
    app, key = Slow(), template.keys["plain"]
    async with gateways(template, proxy.url, prefix, app) as workers:
        proxy.fault = "reset"
        held = [asyncio.create_task(get(worker, "/local", key)) for worker in workers for _ in range(2)]
        await inside(app, 4)
        proxy.fault = "none"
        await until(lambda: _is_told(workers))
        async with asyncio.timeout(PATIENCE):  # who is admitted stays
            assert [(await get(worker, "/local", key)).status for worker in workers] == [429, 429]
        app.done.set()
        assert [answer.status for answer in await asyncio.gather(*held)] == [200] * 4

        async def is_free() -> bool:
            return (await get(workers[0], "/local", key)).status == 200

        await until(is_free)
