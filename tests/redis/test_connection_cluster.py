"""Three masters with a third of the slots each: every command finds its own, also while slots move."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from redis import Redis

from gateway_auth.adapters.redis.address import Endpoint
from gateway_auth.adapters.redis.cluster import read_slots
from gateway_auth.adapters.redis.connection import RedisConnection
from gateway_auth.adapters.redis.link import Reply
from gateway_auth.errors import RedisUnavailable
from tests.redis.faulty_proxy import faulty_proxy
from tests.redis.patience import outcome
from tests.redis.server import running_cluster, running_server

pytestmark = pytest.mark.slow

KEYS = [f"key {number}".encode() for number in range(60)]


@pytest.fixture(scope="module")
def seed() -> Iterator[int]:
    with running_cluster() as port:
        yield port


@pytest.fixture
async def redis(seed: int) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection(f"redis+cluster://127.0.0.1:1,127.0.0.1:{seed}", timeout_seconds=5)
    yield connection
    await connection.close()


async def test_each_key_is_found_where_it_was_put(redis: RedisConnection) -> None:
    for key in KEYS:
        assert await redis.run_on(key, ("SET", key, key, "PX", 60_000)) == b"OK"
    assert [await redis.run_on(key, ("GET", key)) for key in KEYS] == KEYS
    assert redis.failures()["moved"] == 0


async def test_keys_of_one_hash_tag_are_one_shard(redis: RedisConnection) -> None:
    assert redis.shard_of(b"{a}1") == redis.shard_of(b"{a}2")
    assert redis.shard_of(b"{a}1") != redis.shard_of(b"{b}1")


async def test_a_command_without_a_key_goes_anywhere(redis: RedisConnection) -> None:
    assert await redis.run(("PING",)) == b"PONG"
    link = await redis.dial()
    assert await link.exchange(("PING",), 5) == b"PONG"
    link.close()


async def test_a_redirection_is_followed_and_learned(redis: RedisConnection, seed: int) -> None:
    key = next(key for key in KEYS if not _is_at(seed, redis.shard_of(key)))
    await redis.run_on(key, ("SET", key, b"here", "PX", 60_000))
    # The map says something else than the cluster: as after slots have moved.
    cluster = redis._topology
    wrong = next(node for node in cluster.nodes() if node.name.endswith(str(seed)))
    cluster._slots[redis.shard_of(key)] = wrong  # type: ignore[attr-defined]
    assert await redis.run_on(key, ("GET", key)) == b"here"
    assert redis.failures()["moved"] == 1
    assert await redis.run_on(key, ("GET", key)) == b"here"
    assert redis.failures()["moved"] == 1


async def test_a_slot_on_its_way_is_asked_for_at_both_ends(redis: RedisConnection, seed: int) -> None:
    key = b"{moving}1"
    slot = redis.shard_of(key)
    await redis.run_on(key, ("PING",))
    ports = {int(node.name.rpartition(":")[2]) for node in redis._topology.nodes()} - {1}
    source = next(port for port in ports if _is_at(port, slot))
    target = next(port for port in ports if port != source)
    with Redis(port=source, decode_responses=True) as old, Redis(port=target, decode_responses=True) as new:
        new.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", old.execute_command("CLUSTER", "MYID"))
        old.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", new.execute_command("CLUSTER", "MYID"))
        try:
            assert await redis.run_on(key, ("SET", key, b"early", "PX", 60_000)) == b"OK"
            assert await redis.run_on(key, ("GET", key)) == b"early"
        finally:
            old.execute_command("CLUSTER", "SETSLOT", slot, "STABLE")
            new.execute_command("CLUSTER", "SETSLOT", slot, "STABLE")


async def test_without_a_map_a_cluster_is_given_the_benefit_of_the_doubt(seed: int) -> None:
    redis = RedisConnection(f"redis+cluster://127.0.0.1:{seed}")
    assert redis.is_available(KEYS[0])
    assert redis.is_available()
    assert redis.openings() == 0
    await redis.close()


async def test_a_node_that_died_takes_its_slots_with_it_and_no_others() -> None:
    with running_cluster() as port:
        redis = RedisConnection(f"redis+cluster://127.0.0.1:{port}", timeout_seconds=5)
        dead_key = next(key for key in KEYS if _is_at(port, redis.shard_of(key)))
        live_key = next(key for key in KEYS if not _is_at(port, redis.shard_of(key)))
        await redis.run_on(dead_key, ("GET", dead_key))
        with Redis(port=port) as node:
            node.shutdown(nosave=True)
        kinds = [await _outcome_on(redis, dead_key) for _ in range(6)]
        assert kinds[-1] == "open"
        assert await _outcome_on(redis, live_key) == "answered"
        assert not redis.is_available(dead_key)
        assert redis.is_available(live_key)
        assert redis.is_available()
        assert {await outcome(redis) for _ in range(20)} == {"answered"}
        await redis.close()


async def test_a_slot_nobody_has_is_down(seed: int) -> None:
    with running_server("--cluster-enabled", "yes", for_cluster=True) as port:
        redis = RedisConnection(f"redis+cluster://127.0.0.1:{port}", timeout_seconds=5)
        with Redis(port=port) as node:
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 100)
            node.execute_command("CONFIG", "SET", "cluster-require-full-coverage", "no")
        missing = next(key for key in KEYS if redis.shard_of(key) > 100)
        assert await _outcome_on(redis, missing) == "clusterdown"
        await redis.close()


async def test_nodes_that_send_to_each_other_for_ever_are_left(redis: RedisConnection, seed: int) -> None:
    async with faulty_proxy(seed) as proxy:
        proxy.fault, proxy.words = "answer", f"-MOVED 1 127.0.0.1:{proxy.port}\r\n".encode()
        await redis.run(("PING",))
        cluster = redis._topology
        node = cluster._node_at(Endpoint("127.0.0.1", proxy.port))  # type: ignore[attr-defined]
        cluster._slots[redis.shard_of(b"x")] = node  # type: ignore[attr-defined]
        assert await _outcome_on(redis, b"x") == "clusterdown"


async def test_a_redirection_without_a_host_means_the_same_host(redis: RedisConnection, seed: int) -> None:
    async with faulty_proxy(seed) as proxy:
        key = next(key for key in KEYS if _is_at(seed, redis.shard_of(key)))
        proxy.fault, proxy.words = "answer", f"-MOVED {redis.shard_of(key)} :{seed}\r\n".encode()
        await redis.run(("PING",))
        cluster = redis._topology
        node = cluster._node_at(Endpoint("127.0.0.1", proxy.port))  # type: ignore[attr-defined]
        cluster._slots[redis.shard_of(key)] = node  # type: ignore[attr-defined]
        assert await _outcome_on(redis, key) == "answered"


async def test_seeds_that_hang_cost_one_budget(port: int) -> None:
    async with faulty_proxy(port) as proxy:
        proxy.fault = "hang"
        redis = RedisConnection(f"redis+cluster://127.0.0.1:{proxy.port}")
        assert await outcome(redis) == "timeout"
        with pytest.raises(RedisUnavailable):
            await redis.dial()
        await redis.close()


async def test_seeds_that_are_no_cluster_are_none(port: int) -> None:
    redis = RedisConnection(f"redis+cluster://127.0.0.1:{port}", timeout_seconds=5)
    assert await outcome(redis) == "clusterdown"
    assert await outcome(redis) == "clusterdown"
    await redis.close()


async def test_a_lone_server_that_is_a_cluster_is_told(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    redis = RedisConnection(f"redis://127.0.0.1:{seed}", timeout_seconds=5)
    kinds = {await outcome(redis, "GET", key) for key in KEYS}
    assert kinds == {"answered", "moved"}
    assert "write redis+cluster://" in caplog.text
    await redis.close()


async def _outcome_on(redis: RedisConnection, key: bytes) -> str:
    try:
        await redis.run_on(key, ("GET", key))
    except RedisUnavailable as error:
        return error.kind
    return "answered"


def _is_at(port: int, slot: int) -> bool:
    """Whether a node has a slot."""
    with Redis(port=port, decode_responses=True) as client:
        slots = client.execute_command("CLUSTER", "SLOTS")
        own = client.execute_command("CLUSTER", "MYID")
    rows = slots.items() if isinstance(slots, dict) else []
    if rows:
        return any(first <= slot <= last and row["primary"][1] == port for (first, last), row in rows)
    return any(row[0] <= slot <= row[1] and (row[2][1] == port or row[2][2] == own) for row in slots)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"x",
        [],
        [[0, 1]],
        [[0, 16384, [b"h", 1]]],
        [[5, 4, [b"h", 1]]],
        [[0, 1, [b"h", 0]]],
        [[0, 1, [b"h", b"1"]]],
    ],
    ids=str,
)
def test_what_is_no_map_is_none(answer: Reply) -> None:
    assert read_slots(answer, "asked") == []


@pytest.mark.parametrize("host", [None, b"", b"?"], ids=str)
def test_a_node_without_a_name_is_at_the_host_that_was_asked(host: bytes | None) -> None:
    ((_, _, endpoint),) = read_slots([[0, 16383, [host, 7000, b"id"]]], "asked")
    assert str(endpoint) == "asked:7000"
