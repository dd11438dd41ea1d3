"""A gateway of two workers tells those who watch it what it does without, and what it has counted."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.serving import children
from tests.conformance.edges import free_port
from tests.conformance.wire import Connection, request
from tests.redis.faulty_proxy import faulty_proxy
from tests.redis.nodes import LIMIT, Deployment, Node, deployment
from tests.redis.watching import eventually, fetch, lines_with, metric, metrics, told

pytestmark = pytest.mark.slow

OK = (200, {"status": "ok"})
WITHOUT_REDIS = (200, {"status": "degraded", "without": ["redis"]})
READY = "/.gateway/readyz"
ASKED = 12


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployment]:
    with deployment(tmp_path) as started:
        yield started


def two_workers(deployed: Deployment, redis: str) -> tuple[Node, int]:
    """A node of two, and the port of its status listener. It waits for Redis as long as a busy machine may stall."""
    status = free_port()
    node = deployed.node(redis, workers=2, timeout_seconds=2.0, status_listen=f"127.0.0.1:{status}")
    return node, status


async def test_a_redis_that_stops_is_told_by_probe_metric_and_log_and_so_is_its_return(
    deployed: Deployment, port: int
) -> None:
    async with faulty_proxy(port) as proxy:
        node, status = await asyncio.to_thread(two_workers, deployed, proxy.url)

        async def until_all_say(expected: tuple[int, object], gauge: float) -> None:
            # Many connections to the data plane, so that both workers are among those asked.
            await asyncio.to_thread(eventually, lambda: all(told(node.port, READY) == expected for _ in range(8)))
            await asyncio.to_thread(eventually, lambda: told(status, "/readyz") == expected)
            await asyncio.to_thread(eventually, lambda: metric(status, "degraded", dependency="redis") == gauge)

        await until_all_say(OK, 0.0)
        await proxy.refuse()
        await until_all_say(WITHOUT_REDIS, 1.0)
        assert (await asyncio.to_thread(node.get, "/counted")).status == 200
        assert metric(status, "redis_breaker_open") == 1.0
        await asyncio.to_thread(eventually, lambda: metric(status, "redis_breaker_openings_total") == 2.0)
        await proxy.accept()
        await until_all_say(OK, 0.0)
        assert metric(status, "degraded", dependency="store") == 0.0
        assert len(lines_with(node.log, "is left alone until it answers again")) == 2  # one for each worker
        assert len(lines_with(node.log, "answers again after")) == 2


def test_numbers_are_those_of_all_workers_and_stay_when_one_is_gone(deployed: Deployment, port: int) -> None:
    node, status = two_workers(deployed, f"redis://127.0.0.1:{port}/0")
    eventually(lambda: metric(status, "workers") == 2.0)
    for _ in range(ASKED):
        source = "127.0.0.21"
        assert node.get("/strict", source=source).status == 200
        assert node.get("/keys", deployed.world.keys["KEY"], source).status == 200
        assert node.get("/keys", None, source).status == 401
        assert node.get("/keys", "gwk_live_nobody", source).status == 401
    assert {node.get("/counted", source="127.0.0.22").status for _ in range(LIMIT + 10)} == {200, 429}

    def counted() -> dict[str, float | None]:
        return {
            "strict": metric(status, "passed_total", route="strict"),
            "keys": metric(status, "passed_total", route="keys"),
            "unknown": metric(status, "refused_total", route="keys", reason="credential_required"),
            "invalid": metric(status, "refused_total", route="keys", reason="invalid_credential"),
            "counted": metric(status, "passed_total", route="counted"),
            "limited": sum(value for (name, _), value in metrics(status).items() if name.endswith("limited_total")),
        }

    expected = {"strict": ASKED, "keys": ASKED, "unknown": ASKED, "invalid": ASKED, "counted": LIMIT, "limited": 10}

    eventually(lambda: counted() == expected)
    found = metrics(status)
    assert found["gateway_auth_key_cache_hits_total", ()] + found["gateway_auth_key_cache_misses_total", ()] == ASKED
    assert found["gateway_auth_redis_calls_total", ()] > 0
    assert found["gateway_auth_live_workers", ()] >= 2
    before = set(children(node.process.pid))
    os.kill(min(before), signal.SIGKILL)
    eventually(lambda: len(set(children(node.process.pid)) - before) == 1 and metric(status, "workers") == 2.0)
    eventually(lambda: counted() == expected)
    assert node.get("/keys", deployed.world.keys["KEY"]).status == 200
    eventually(lambda: metric(status, "passed_total", route="keys") == ASKED + 1)


def test_probes_are_answered_without_credentials_and_never_forwarded(deployed: Deployment, port: int) -> None:
    node = deployed.node(f"redis://127.0.0.1:{port}/0")
    assert told(node.port, "/.gateway/healthz") == OK
    assert fetch(node.port, READY, "HEAD") == (200, b"")
    assert fetch(node.port, READY, "POST") == (405, b"")
    assert fetch(node.port, READY + "?x=1")[0] == 200
    for path in (b"/.gateway/metrics", b"/.gateway/", b"//.gateway/readyz", b"/x/../.gateway/readyz"):
        with Connection(node.port) as connection:
            connection.send(request("GET", path, []))
            assert connection.answer().status in (400, 403)
    assert deployed.forwarded() == []


def test_the_status_listener_serves_its_pages_alone(deployed: Deployment, port: int) -> None:
    _, status = two_workers(deployed, f"redis://127.0.0.1:{port}/0")
    assert told(status, "/healthz") == OK
    assert fetch(status, "/metrics", "HEAD") == (200, b"")
    assert fetch(status, "/")[0] == 404
    assert fetch(status, "/metrics", "POST")[0] == 501
