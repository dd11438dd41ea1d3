"""A master of a cluster dies in the middle of a window: no 5xx, and no more pass than docs/limits.md says."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from redis import Redis
from redis.crc import key_slot

from tests.conformance.edges import fresh_address
from tests.conformance.wire import Connection, request
from tests.redis.nodes import LIMIT, WIDE, Deployment, Node, deployment, race
from tests.redis.server import running_cluster
from tests.redis.watching import eventually, told

pytestmark = pytest.mark.slow

WORKERS = 2
TIMES = 4 * LIMIT
COUNTED = b"{gwa:limits}"
NODE_TIMEOUT_MS = 1_000


@pytest.fixture(scope="module")
def seed() -> Iterator[int]:
    with running_cluster(with_replicas=True, node_timeout_ms=NODE_TIMEOUT_MS) as port:
        yield port


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployment(tmp_path_factory.mktemp("failover")) as started:
        yield started


@pytest.fixture(scope="module")
def node(deployed: Deployment, seed: int) -> Node:
    """Two workers. They wait for Redis as long as a machine may stall that runs much else."""
    return deployed.node(f"redis+cluster://127.0.0.1:{seed}", workers=WORKERS, timeout_seconds=0.3)


def servers_of_limits(seed: int) -> tuple[int, int]:
    """The ports of the master that counts, and of its replica, as the cluster sees them now."""
    slot = key_slot(COUNTED)
    with Redis(port=seed, socket_timeout=5) as admin:
        rows: Any = admin.execute_command("CLUSTER SLOTS")
    master, replica = next(servers for first, last, *servers in rows if first <= slot <= last)
    return int(master[1]), int(replica[1])


def kill(port: int) -> None:
    """End a server hard, by the id it tells."""
    with Redis(port=port) as admin:
        os.kill(int(admin.info("server")["process_id"]), signal.SIGKILL)


class Client:
    """Asks again and again over connections to several workers; `statuses` are those of all answers so far."""

    def __init__(self, node: Node, source: str) -> None:
        self.statuses: list[int] = []
        self._node = node
        self._source = source
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        with ExitStack() as stack:
            connections = [stack.enter_context(Connection(self._node.port, self._source)) for _ in range(4)]
            while not self._is_over.wait(0.03):
                for connection in connections:
                    connection.send(request("GET", "/wide", []))
                self.statuses += [connection.answer().status for connection in connections]

    def __enter__(self) -> Client:
        self._thread.start()
        return self

    def __exit__(self, *ending: object) -> None:
        self._is_over.set()
        self._thread.join(10)

    def has(self, answers: int) -> bool:
        """Whether so many have come."""
        return len(self.statuses) >= answers

    def is_refused(self) -> bool:
        """Whether the latest answers, of all its workers, were refusals."""
        return self.has(20) and set(self.statuses[-20:]) == {429}


def is_exact(node: Node) -> bool:
    """Whether every worker counts in Redis again, and all of them together."""
    if not all(told(node.port, "/.gateway/readyz")[1] == {"status": "ok"} for _ in range(8)):
        return False
    return race([node], TIMES, fresh_address()) == Counter({200: LIMIT, 429: TIMES - LIMIT})


def until_over(node: Node, client: Client) -> None:
    """Until Redis counts for all workers again, and the client's window is used up."""
    eventually(lambda: is_exact(node))
    eventually(client.is_refused)


def test_a_planned_failover_mid_window_costs_no_5xx(node: Node, seed: int) -> None:
    eventually(lambda: is_exact(node))
    master, replica = servers_of_limits(seed)
    with Client(node, fresh_address()) as client:
        eventually(lambda: client.has(WIDE // 6))
        with Redis(port=replica) as admin:
            admin.execute_command("CLUSTER", "FAILOVER")
            eventually(lambda: admin.info("replication")["role"] == "master")
        until_over(node, client)
    assert set(client.statuses) == {200, 429}
    assert WIDE <= client.statuses.count(200) <= 2 * WIDE
    assert servers_of_limits(seed) == (replica, master)


def test_a_master_that_dies_mid_window_costs_no_5xx_and_admits_within_the_bound(node: Node, seed: int) -> None:
    eventually(lambda: is_exact(node))
    master, replica = servers_of_limits(seed)
    with Client(node, fresh_address()) as client:
        eventually(lambda: client.has(WIDE // 6))
        kill(master)
        with Redis(port=replica) as admin:
            eventually(lambda: admin.info("replication")["role"] == "master")
        until_over(node, client)
    assert set(client.statuses) == {200, 429}
    assert WIDE <= client.statuses.count(200) <= 2 * WIDE
