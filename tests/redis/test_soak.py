"""Random keys from ever new addresses fill neither worker nor Redis, and push no good key out of memory.

$GATEWAY_AUTH_SOAK is how many keys are tried, from twice as many addresses.
"""

from __future__ import annotations

import asyncio
import os
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.engine.principal_cache import MAX_UNKNOWN
from tests.asgi.world import build_site
from tests.conformance.edges import free_port
from tests.conformance.wire import Connection, request
from tests.redis.gateways import ENCRYPTION_KEY
from tests.redis.nodes import Deployment, deployment
from tests.redis.server import running_server
from tests.redis.soak import GOOD_AGAIN, GOOD_KEYS, soak
from tests.redis.watching import eventually, metric

pytestmark = pytest.mark.slow

KEYS = int(os.environ.get("GATEWAY_AUTH_SOAK", "2000"))
ENOUGH_TO_PLATEAU = 200_000
OVER_SOCKETS = max(100, KEYS // 50)
AT_ONCE = 32


@pytest.fixture
def own_port() -> Iterator[int]:
    """A server of its own: all of its keys are looked at."""
    with running_server() as at:
        yield at


def test_a_flood_is_bounded_and_good_keys_stay(tmp_path: Path, own_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENCRYPTION_KEY, b64encode(bytes(range(32))).decode())
    report = asyncio.run(soak(build_site(tmp_path), own_port, KEYS))
    good = GOOD_AGAIN * KEYS
    # 503 where a machine that stalls did not read its store in time: then nobody knows that the key is none.
    bad = report.statuses.pop(("bad", 401)) + report.statuses.pop(("bad", 503), 0)
    assert (bad, report.statuses) == (KEYS, {("open", 200): 2 * KEYS, ("good", 200): good})
    assert report.lasting == 0
    assert report.remembered <= MAX_UNKNOWN + GOOD_KEYS
    assert report.good_misses - GOOD_KEYS <= good / 100
    if KEYS >= ENOUGH_TO_PLATEAU:
        half = report.samples[len(report.samples) // 2 :]
        assert half[-1].worker <= 1.1 * half[0].worker
        assert half[-1].redis <= 1.5 * half[0].redis


def test_over_real_sockets_too(tmp_path: Path, own_port: int) -> None:
    with deployment(tmp_path) as deployed:
        status = free_port()
        node = deployed.node(
            f"redis://127.0.0.1:{own_port}/0", timeout_seconds=2.0, status_listen=f"127.0.0.1:{status}"
        )
        for first in range(0, OVER_SOCKETS, AT_ONCE):
            assert _strangers(deployed, node.port, range(first, min(first + AT_ONCE, OVER_SOCKETS))) == {401, 200}
        eventually(lambda: metric(status, "refused_total", route="keys", reason="invalid_credential") == OVER_SOCKETS)
        read_again = (metric(status, "key_cache_misses_total") or 0) - OVER_SOCKETS
        assert read_again == 1  # the good key, for the first time: here it is kept for an hour
        assert (metric(status, "key_cache_size") or 0) <= MAX_UNKNOWN + 1


def _strangers(deployed: Deployment, port: int, numbers: range) -> set[int]:
    """Each from an address of its own, with a key nobody has; and the good key once."""
    keys = [KeyFormat().mint("live", 7 * number, number).text for number in numbers]
    with ExitStack() as stack:
        connections = [
            stack.enter_context(Connection(port, f"127.{1 + n // 60_000}.{n // 250 % 240}.{1 + n % 250}"))
            for n in numbers
        ]
        connections.append(stack.enter_context(Connection(port)))
        for connection, key in zip(connections, [*keys, deployed.world.keys["KEY"]], strict=True):
            connection.send(request("GET", "/keys", [("X-API-Key", key.encode())]))
        statuses = [connection.answer().status for connection in connections]
    assert statuses[-1] == 200
    return set(statuses)
