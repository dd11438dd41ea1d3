"""Whatever Redis does, each limit is what it says of itself, until Redis comes back (L05, L06, cases 058-060)."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway_auth.adapters.redis.connection import RedisConnection
from gateway_auth.adapters.redis.nudges import publish
from gateway_auth.bootstrap import open_gateway
from gateway_auth.core.shares import Share
from gateway_auth.errors import ConfigError
from tests.asgi.raw import Answer
from tests.asgi.world import ACTOR, Site, build_site
from tests.redis.faulty_proxy import Fault, FaultyProxy, faulty_proxy
from tests.redis.gateways import ENCRYPTION_KEY, LIMIT, Running, running
from tests.redis.patience import until
from tests.redis.server import running_cluster, running_server

RECOVERY_SECONDS = 1.0
USED = 3
PATIENCE_SECONDS = 0.15
"""Less than what `slow` waits."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return build_site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def site(template: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv(ENCRYPTION_KEY, b64encode(bytes(range(32))).decode())
    return template.copy_to(tmp_path)


@pytest.fixture
async def proxy(port: int) -> AsyncIterator[FaultyProxy]:
    async with faulty_proxy(port) as opened:
        yield opened


@pytest.fixture
async def one(site: Site, proxy: FaultyProxy, prefix: str) -> AsyncIterator[Running]:
    """A gateway that has used a part of its limits. A machine that stalls for a moment is no fault of Redis."""
    async with running(site, proxy.url, prefix, timeout_seconds=PATIENCE_SECONDS) as gateway:
        await until(lambda: gateway.shared.share == Share(1, 0))
        for path in ("/local", "/deny", "/both"):
            assert await gateway.statuses(path, USED) == [200] * USED
        yield gateway


WORDS = {
    "readonly": b"-READONLY You can't write against a read only replica.\r\n",
    "loading": b"-LOADING Redis is loading the dataset in memory\r\n",
    "out of memory": b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    "moved": b"-MOVED 3999 127.0.0.1:6381\r\n",
    "ask": b"-ASK 3999 127.0.0.1:6381\r\n",
    "no script, ever": b"-NOSCRIPT No matching script.\r\n",
    "not permitted": b"-NOPERM this user has no permissions to run the 'evalsha' command\r\n",
    "not logged in": b"-NOAUTH Authentication required.\r\n",
    "cannot save": b"-MISCONF Redis is configured to save RDB snapshots\r\n",
    "replica alone": b"-MASTERDOWN Link with MASTER is down\r\n",
    "cluster down": b"-CLUSTERDOWN The cluster is down\r\n",
    "busy": b"-BUSY Redis is busy running a script.\r\n",
    "an error": b"-ERR something else\r\n",
    "another shape": b"+OK\r\n",
    "nothing": b"$-1\r\n",
    "an empty list": b"*0\r\n",
    "a wrong list": b"*1\r\n*1\r\n:1\r\n",
    "a negative number": b"*1\r\n*2\r\n:-1\r\n:0\r\n",
    "a huge string": b"$999999999999\r\n",
    "a deep list": b"*1\r\n" * 200,
    "no protocol": b"\x00\x00\x00\x00\r\n",
}
FAULTS: tuple[Fault, ...] = ("hang", "reset", "garbage", "half")


async def break_it(proxy: FaultyProxy, fault: str) -> None:
    if fault == "refusing":
        await proxy.refuse()
    elif fault == "slow":
        proxy.delay_seconds = 0.2
    elif fault in WORDS:
        proxy.fault, proxy.words = "answer", WORDS[fault]
    else:
        (proxy.fault,) = (known for known in FAULTS if known == fault)


async def mend(proxy: FaultyProxy, fault: str) -> None:
    if fault == "refusing":
        await proxy.accept()
    proxy.fault, proxy.delay_seconds = "none", 0.0


def assert_sound(answer: Answer) -> None:
    """What is told of limits can be read, and is possible."""
    policies, states = answer.values("ratelimit-policy"), answer.values("ratelimit")
    assert len(policies) == len(states) <= 1
    for policy, state in zip(policies, states, strict=True):
        quotas = re.findall(r'"(\w+)";q=(\d+);w=(\d+)', policy)
        left = re.findall(r'"(\w+)";r=(\d+);t=(\d+)', state)
        assert [name for name, *_ in quotas] == [name for name, *_ in left]
        for (_, quota, window), (_, remaining, reset) in zip(quotas, left, strict=True):
            assert int(remaining) <= int(quota)
            assert int(reset) <= int(window)


@pytest.mark.parametrize("fault", ["refusing", "slow", *FAULTS, *WORDS])
async def test_the_declared_mode_while_it_fails_and_exact_again_after(
    one: Running, proxy: FaultyProxy, fault: str
) -> None:
    await break_it(proxy, fault)
    for path, mode, left in (("/local", "local", LIMIT - USED), ("/both", "l", LIMIT - USED)):
        answers = [await one.ask(path) for _ in range(2 * LIMIT)]
        assert [answer.status for answer in answers] == [200] * left + [429] * (2 * LIMIT - left)
        for answer in answers:
            assert_sound(answer)
            assert answer.only("ratelimit-policy").startswith(f'"{mode}";q={LIMIT};')
    for path in ("/deny", "/all"):
        for answer in [await one.ask(path) for _ in range(5)]:
            assert answer.refusal == (503, "dependency_unavailable")
            assert int(answer.only("retry-after")) >= 1
            assert answer.values("ratelimit") == []
    for answer in [await one.ask("/allow") for _ in range(5)]:
        assert (answer.status, answer.values("ratelimit")) == (200, [])
    assert one.gateway.degraded == ("redis",)
    assert one.shared.limits.own.failures
    assert one.shared.limits.own.uncounted["allow"] >= 5
    await mend(proxy, fault)
    await until(lambda: is_counted(one))
    # What Redis counted it still knows, and what was refused or counted here meanwhile is not in it, but for requests
    # whose answer was lost.
    admitted = (await one.statuses("/deny", 2 * LIMIT)).count(200)
    assert LIMIT - USED - 5 <= admitted <= LIMIT - USED
    assert not one.gateway.degraded


async def is_counted(one: Running) -> bool:
    """Whether a request was counted in Redis again. Costs one of a limit nobody else uses."""
    answer = await one.ask("/allow", "reader")
    return bool(answer.values("ratelimit"))


@pytest.mark.parametrize("fault", ["refusing", "hang", "reset"])
async def test_all_at_once_are_never_more_than_the_share(one: Running, proxy: FaultyProxy, fault: str) -> None:
    await break_it(proxy, fault)
    answers = await asyncio.gather(*(one.ask("/local") for _ in range(100)))
    statuses = [answer.status for answer in answers]
    assert (statuses.count(200), statuses.count(429)) == (LIMIT - USED, 100 - LIMIT + USED)


async def test_a_fault_in_the_middle_of_a_load_admits_no_more_than_the_limit_of_one_worker(
    site: Site, proxy: FaultyProxy, prefix: str
) -> None:
    async with running(site, proxy.url, prefix) as one:
        answers = []
        for number in range(10 * LIMIT):
            proxy.fault = "hang" if number % 7 == 3 else "none"
            answers.append(await one.ask("/local"))
            await asyncio.sleep(0.005)
        # Counted here and in Redis, which do not know of each other: each admits the limit at most.
        assert [answer.status for answer in answers].count(200) <= 2 * LIMIT
        assert {answer.status for answer in answers} == {200, 429}


async def test_nodes_share_what_is_left_to_each(site: Site, proxy: FaultyProxy, prefix: str) -> None:
    async with running(site, proxy.url, prefix) as one, running(site, proxy.url, prefix) as two:
        await until(lambda: {one.shared.share.workers, two.shared.share.workers} == {2})
        await until(lambda: {one.shared.share.rank, two.shared.share.rank} == {0, 1})
        proxy.fault = "hang"
        admitted = [(await node.statuses("/local", 3 * LIMIT)).count(200) for node in (one, two)]
        assert admitted == [LIMIT // 2, LIMIT // 2]


async def test_what_is_degraded_is_told_once_in_the_log_and_where_no_request_comes(
    site: Site, proxy: FaultyProxy, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "gateway_auth")
    async with running(site, proxy.url, prefix) as one:
        await until(lambda: is_counted(one))
        await proxy.refuse()
        await until(lambda: one.gateway.degraded == ("redis",))
        await proxy.accept()
        await until(lambda: one.gateway.degraded == ())
    lines = [record.getMessage() for record in caplog.records if record.name == "gateway_auth.limits"]
    assert len(lines) == 2
    assert "not counted in Redis" in lines[0]
    assert lines[1] == "limits are counted in Redis again"


@pytest.mark.parametrize("fault", ["refusing", "hang", "garbage", "loading"])
async def test_it_starts_without_redis_and_takes_it_when_it_is_there(
    site: Site, proxy: FaultyProxy, prefix: str, fault: str
) -> None:
    proxy.spared = ()
    await break_it(proxy, fault)
    async with running(site, proxy.url, prefix, workers=2) as one:
        assert (await one.statuses("/local", LIMIT)).count(200) == LIMIT // 2
        assert (await one.ask("/deny")).status == 503
        proxy.spared = (b"HELLO",)
        await mend(proxy, fault)
        await until(lambda: is_counted(one))
        assert (await one.ask("/deny")).status == 200


async def test_a_gateway_can_be_closed_while_redis_hangs(site: Site, proxy: FaultyProxy, prefix: str) -> None:
    async with running(site, proxy.url, prefix) as one:
        await until(lambda: is_counted(one))
        proxy.fault = "hang"
        waiting = [asyncio.create_task(one.ask("/local")) for _ in range(5)]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting, return_exceptions=True)
    left = {task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("gateway-auth")}
    assert left == set()


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["refusing", "hang", "slow", "loading"])
async def test_recovery_takes_less_than_a_second(one: Running, proxy: FaultyProxy, fault: str) -> None:
    for _ in range(3):
        await break_it(proxy, fault)
        await until(lambda: one.gateway.degraded == ("redis",))
        await asyncio.sleep(0.7)
        await mend(proxy, fault)
        began = time.monotonic()
        await until(lambda: is_counted(one))
        assert time.monotonic() - began < RECOVERY_SECONDS


@pytest.mark.slow
async def test_nodes_count_together_in_a_cluster(site: Site, prefix: str) -> None:
    with running_cluster() as port:
        url = f"redis+cluster://127.0.0.1:{port}"
        async with running(site, url, prefix) as one, running(site, url, prefix) as two:
            await until(lambda: one.shared.share.workers == two.shared.share.workers == 2)
            answers = await asyncio.gather(*(node.ask("/local") for node in (one, two) for _ in range(3 * LIMIT)))
            assert [answer.status for answer in answers].count(200) == LIMIT
            assert not one.gateway.degraded


# -- keys and changes ----------------------------------------------------------------------------------------------


async def test_a_key_is_read_from_the_store_once_for_all_workers(site: Site, port: int, prefix: str) -> None:
    url = f"redis://127.0.0.1:{port}/0"
    async with running(site, url, prefix) as one, running(site, url, prefix) as two:
        assert (await one.ask("/local")).status == 200
        assert one.shared.looks()["absent"] == 1
        assert (await two.ask("/local")).status == 200
        assert sum(two.shared.looks().values()) == 1


@pytest.mark.parametrize("is_told", [True, False], ids=["told", "not told"])
async def test_a_disabled_key_is_refused_by_every_worker_in_time(
    site: Site, port: int, prefix: str, is_told: bool
) -> None:
    url = f"redis://127.0.0.1:{port}/0"
    async with running(site, url, prefix) as one, running(site, url, prefix) as two:
        workers = (one, two)
        for worker in workers:
            assert (await worker.ask("/local")).status == 200
        store = site.open_store()
        await site.manage_keys(store).disable(ACTOR, site.ids["plain"])
        await store.close()
        if is_told:
            redis = RedisConnection(url, timeout_seconds=5)
            assert await publish(redis, prefix)
            await redis.close()

        async def is_refused() -> bool:
            return [(await worker.ask("/local")).status for worker in workers] == [401, 401]

        await until(is_refused)


async def test_without_an_encryption_key_limits_are_shared_and_keys_are_not(site: Site, port: int, prefix: str) -> None:
    source = site.config([{"id": "limited", "path": "/limited", "limits": [{"rate": "10/hour", "by": "key"}]}])
    source["redis"] = {"url": f"redis://127.0.0.1:{port}", "key_prefix": prefix}
    gateway = await open_gateway(source)
    assert gateway.shared is not None
    assert (gateway.shared.looks(), gateway.degraded) == ({}, ())
    await gateway.close()


async def test_an_operator_is_warned_of_eviction(site: Site, prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "gateway_auth.redis")
    with running_server("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru") as evicting:
        async with running(site, f"redis://127.0.0.1:{evicting}", prefix):
            await until(lambda: "set maxmemory-policy noeviction" in caplog.text)


async def test_an_address_that_is_none_prevents_the_start_and_is_not_repeated(site: Site) -> None:
    source = site.config()
    source["redis"] = {"url": "redis://u:hunter2@h:99999/0"}
    with pytest.raises(ConfigError) as caught:
        await open_gateway(source)
    assert "redis.url" in str(caught.value)
    assert "hunter2" not in str(caught.value)
