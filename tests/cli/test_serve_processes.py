"""The processes of `serve`: how they stop, what happens when one is killed."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from tests.cli.command import Workspace
from tests.cli.serving import Client, children, eventually, is_alive, serving, upstream

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="processes are looked up in Linux's /proc"),
]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT to the group"])
def test_a_stopped_server_finishes_requests_in_flight_and_exits_0(workspace: Workspace, number: signal.Signals) -> None:
    key = workspace.key(workspace.app(), "--scope", "orders:read")["key"]
    statuses: list[int] = []
    with (
        upstream() as url,
        serving(workspace.directory, "--upstream", url, "--workers", "2", "--local-limits") as running,
    ):
        client, idle = Client(running.port), Client(running.port)
        idle.get("/.gateway/")
        in_flight = threading.Thread(target=lambda: statuses.append(client.get("/v1/orders/slow", key)))
        in_flight.start()
        threading.Event().wait(0.3)
        if number is signal.SIGINT:
            os.killpg(running.process.pid, number)
            code = running.process.wait(10)
        else:
            code = running.stop(number)
        in_flight.join(10)
        assert (code, statuses) == (0, [200])
        assert "Traceback" not in running.log.read_text("utf-8")
        assert children(running.process.pid) == []
        client.close()
        idle.close()


def test_workers_do_not_outlive_a_parent_that_was_killed(workspace: Workspace) -> None:
    with serving(workspace.directory) as running:
        workers = children(running.process.pid)
        running.stop(signal.SIGKILL)
        eventually(lambda: not any(is_alive(worker) for worker in workers), 10)


def test_a_worker_that_dies_is_replaced(workspace: Workspace) -> None:
    with serving(workspace.directory, "--workers", "2", "--local-limits") as running:
        for client in running.clients(2):  # each listens, so that one is there when the other dies
            client.close()
        before = children(running.process.pid)
        assert len(before) == 2
        os.kill(before[0], signal.SIGKILL)
        eventually(lambda: len(set(children(running.process.pid)) - {before[0]}) == 2, 10)
        for client in running.clients(2):
            client.close()


def test_sighup_takes_a_good_configuration_and_leaves_a_bad_one(workspace: Workspace) -> None:
    key = workspace.key(workspace.app(), "--scope", "orders:read")["key"]
    with upstream() as url, serving(workspace.directory, "--upstream", url) as running:
        (before,) = children(running.process.pid)
        workspace.change('id = "health"', 'idd = "health"')
        running.process.send_signal(signal.SIGHUP)
        eventually(lambda: any("was not read again" in line.get("message", "") for line in running.log_lines()), 10)
        assert children(running.process.pid) == [before]
        workspace.change('idd = "health"', 'id = "health"')
        workspace.change('scopes = ["orders:read"]', 'scopes = ["orders:other"]')
        running.process.send_signal(signal.SIGHUP)
        eventually(lambda: before not in children(running.process.pid), 15)
        client = Client(running.port)
        assert client.get("/v1/orders/1", key) == 403
        client.close()
