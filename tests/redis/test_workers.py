"""Workers and nodes in processes of their own: one limit for all, and one news (cases 057, 058, 064)."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from gateway_auth.adapters.redis.heartbeat import BEAT_SECONDS
from gateway_auth.core.cachekey import compose
from tests.conformance.edges import fresh_address
from tests.conformance.vectors import key_id
from tests.conformance.workers import command
from tests.redis.faulty_proxy import FaultyProxy, faulty_proxy
from tests.redis.nodes import (
    LIMIT,
    Deployment,
    Node,
    deployment,
    flushing_scripts,
    race,
    seconds_until_refused,
)

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("GATEWAY_AUTH_ROUNDS", "10"))
TIMES = 4 * LIMIT
WITH_NEWS_SECONDS = 1.0
WITHOUT_NEWS_SECONDS = 2.0
WORKERS = f"gwa:{compose('workers')}"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployment(tmp_path_factory.mktemp("deployment")) as started:
        yield started


@pytest.fixture(scope="module")
def four_workers(deployed: Deployment, port: int) -> Node:
    """One node. It waits for Redis as long as a machine may stall that runs much else."""
    return deployed.node(f"redis://127.0.0.1:{port}/0", workers=4, timeout_seconds=1.0)


@pytest.fixture(scope="module")
def nodes(deployed: Deployment, four_workers: Node, port: int) -> list[Node]:
    """Four workers, and a node of one."""
    return [four_workers, deployed.node(f"redis://127.0.0.1:{port}/0", timeout_seconds=1.0)]


EXACT = Counter({200: LIMIT, 429: TIMES - LIMIT})


def test_four_workers_admit_exactly_the_limit_of_200_parallel_requests(four_workers: Node) -> None:
    assert [race([four_workers], TIMES, fresh_address()) for _ in range(ROUNDS)] == [EXACT] * ROUNDS


def test_they_do_so_while_redis_forgets_its_scripts(four_workers: Node, port: int) -> None:
    with flushing_scripts(port):
        found = [race([four_workers], TIMES, fresh_address()) for _ in range(ROUNDS)]
    assert found == [EXACT] * ROUNDS


def test_workers_and_nodes_admit_exactly_the_limit_together(nodes: list[Node]) -> None:
    assert [race(nodes, TIMES, fresh_address()) for _ in range(3)] == [EXACT] * 3


def test_all_four_workers_take_part(four_workers: Node) -> None:
    answers = [four_workers.get("/strict", source=fresh_address()) for _ in range(TIMES)]
    assert len({str(answer.value("x-request-id"))[:16] for answer in answers}) == 4


def test_a_key_disabled_by_the_command_line_is_refused_everywhere_in_time(
    deployed: Deployment, nodes: list[Node]
) -> None:
    for _ in range(3):
        key = deployed.world.keys["KEY"]
        for node in nodes:
            assert {node.get("/keys", key).status for _ in range(16)} == {200}
        assert command(nodes[0].config, "keys", "disable", key_id(key)).returncode == 0
        done = time.monotonic()
        with ThreadPoolExecutor(len(nodes)) as pool:
            late = list(pool.map(seconds_until_refused, nodes, [key] * len(nodes), [done] * len(nodes)))
        assert max(late) <= WITH_NEWS_SECONDS
        assert command(nodes[0].config, "keys", "enable", key_id(key)).returncode == 0
        wait_until_accepted(nodes, key)


def wait_until_accepted(nodes: list[Node], key: str) -> None:
    end = time.monotonic() + 10
    while any(node.get("/keys", key).status != 200 for node in nodes for _ in range(8)):
        assert time.monotonic() < end


def test_every_worker_of_every_node_is_heard(nodes: list[Node], port: int) -> None:
    with Redis(port=port) as admin:
        assert admin.zcard(WORKERS) == 5


@pytest.fixture
async def proxy(port: int) -> AsyncIterator[FaultyProxy]:
    async with faulty_proxy(port) as opened:
        yield opened


async def test_a_node_cut_off_from_redis_keeps_to_its_share_and_hears_of_changes_in_time(
    deployed: Deployment, nodes: list[Node], proxy: FaultyProxy
) -> None:
    cut_off = await asyncio.to_thread(deployed.node, proxy.url)
    await asyncio.sleep(2 * BEAT_SECONDS)  # everybody has heard everybody
    proxy.fault = "hang"
    found = await asyncio.to_thread(race, [cut_off], TIMES, fresh_address())
    assert found[200] in (LIMIT // 6, LIMIT // 6 + 1)
    assert found[200] + found[429] == TIMES
    assert await asyncio.to_thread(race, [cut_off], 10, fresh_address(), "/strict") == {503: 10}
    key = deployed.world.keys["KEY2"]
    assert (await asyncio.to_thread(cut_off.get, "/keys", key)).status == 200
    disable = await asyncio.to_thread(command, nodes[0].config, "keys", "disable", key_id(key))
    assert disable.returncode == 0
    late = await asyncio.to_thread(seconds_until_refused, cut_off, key, time.monotonic())
    assert late <= WITHOUT_NEWS_SECONDS
    proxy.fault = "none"
    began = time.monotonic()
    while (await asyncio.to_thread(cut_off.get, "/strict", None, fresh_address())).status != 200:
        assert time.monotonic() - began < 1.0
    assert await asyncio.to_thread(race, [*nodes, cut_off], TIMES, fresh_address()) == {200: LIMIT, 429: TIMES - LIMIT}


def test_a_change_is_made_at_once_also_where_redis_is_down(deployed: Deployment) -> None:
    deployed.world.tables["redis"] = {"url": "redis://127.0.0.1:1/0"}
    config = deployed.world.write("nobody", 1024, 1025, None)
    ended = command(config, "keys", "disable", key_id(deployed.world.keys["POOR"]))
    assert ended.returncode == 0
    assert "workers were not told" in ended.stderr
