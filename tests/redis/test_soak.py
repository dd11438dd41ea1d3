"""Random keys from ever new addresses fill neither worker nor Redis, and push no good key out of memory.

$GATEWAY_AUTH_SOAK is how many keys are tried, from twice as many addresses. A few find every memory made so small that
it is full after a fraction of them; from 200,000 on they are as large as they always are.
"""

from __future__ import annotations

import asyncio
import os
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

import pytest

from gateway_auth.adapters.redis import limit_store
from gateway_auth.bootstrap import gateway
from gateway_auth.core import counters
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.memo import Memo
from gateway_auth.engine import brake
from gateway_auth.engine.principal_cache import MAX_UNKNOWN, PrincipalCache
from tests.asgi.world import build_site
from tests.conformance.edges import free_port
from tests.conformance.wire import Connection, request
from tests.redis.gateways import ENCRYPTION_KEY
from tests.redis.nodes import Deployment, deployment
from tests.redis.server import running_server
from tests.redis.soak import GOOD_AGAIN, GOOD_KEYS, soak
from tests.redis.watching import eventually, metric

pytestmark = pytest.mark.slow

KEYS = int(os.environ.get("GATEWAY_AUTH_SOAK", "6000"))
ENOUGH_TO_PLATEAU = 200_000
SMALL = 256
"""Entries of each memory where there are fewer keys than that."""
SPREAD = 2_400
"""Blocks by which what is held may differ from one moment to another. A leak of one per bad key is 3,000 here."""
LONGEST_SECONDS = 30
"""In Redis: a cached key. A window of 10 seconds lives for 20."""
OVER_SOCKETS = max(100, KEYS // 50)
AT_ONCE = 32


@pytest.fixture
def own_port() -> Iterator[int]:
    """A server of its own: all of its keys are looked at."""
    with running_server() as at:
        yield at


def test_a_flood_is_bounded_and_good_keys_stay(tmp_path: Path, own_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENCRYPTION_KEY, b64encode(bytes(range(32))).decode())
    if KEYS < ENOUGH_TO_PLATEAU:
        _make_small(monkeypatch)
    report = asyncio.run(soak(build_site(tmp_path), own_port, KEYS))
    good = GOOD_AGAIN * KEYS
    # 503 where a machine that stalls did not read its store in time: then nobody knows that the key is none.
    bad = report.statuses.pop(("bad", 401)) + report.statuses.pop(("bad", 503), 0)
    assert (bad, report.statuses) == (KEYS, {("open", 200): 2 * KEYS, ("good", 200): good})
    assert report.lasting == 0
    assert report.longest_seconds <= LONGEST_SECONDS
    assert report.remembered <= (SMALL if KEYS < ENOUGH_TO_PLATEAU else MAX_UNKNOWN) + GOOD_KEYS
    assert report.good_misses - GOOD_KEYS <= good / 100
    quarter = len(report.samples) // 4
    before, after = report.samples[quarter : 2 * quarter], report.samples[-quarter:]
    assert max(each.worker for each in after) <= 1.02 * max(each.worker for each in before)
    if KEYS < ENOUGH_TO_PLATEAU:
        # Of the middle ones: a single moment says how much was under way.
        assert median(each.blocks for each in after) <= median(each.blocks for each in before) + SPREAD
    else:
        assert max(each.redis for each in after) <= 1.5 * max(each.redis for each in before)


def _make_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "PrincipalCache", partial(PrincipalCache, max_unknown=SMALL))
    monkeypatch.setattr(brake, "MAX_ADDRESSES", SMALL)
    monkeypatch.setattr(counters, "MAX_ADDRESSES", SMALL)
    monkeypatch.setattr(limit_store, "MAX_NAMES", SMALL)
    monkeypatch.setattr(limit_store, "MAX_CHECKS", SMALL)
    monkeypatch.setattr(Memo.__init__, "__defaults__", (SMALL, None))


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
