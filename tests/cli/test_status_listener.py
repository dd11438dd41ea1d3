"""The status listener holds out against those who only hold connections, and says why it cannot start."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway_auth.errors import CannotServe
from gateway_auth.server.listening import free_port
from gateway_auth.server.status import MAX_CLIENTS, status_listening
from tests.cli.command import Workspace
from tests.cli.serving import children, is_alive, serving, upstream
from tests.redis.watching import eventually, fetch, told


@pytest.fixture
def port() -> Iterator[int]:
    """Of a listener without workers."""
    at = free_port()
    with status_listening(("127.0.0.1", at)):
        yield at


def test_without_workers_it_lives_and_is_not_ready(port: int) -> None:
    assert told(port, "/healthz") == (200, {"status": "ok"})
    assert told(port, "/readyz") == (503, {"status": "unavailable"})
    assert b"# TYPE gateway_auth_passed_total counter" in fetch(port, "/metrics")[1]


def test_connections_that_say_nothing_are_bounded_and_end(port: int) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in range(MAX_CLIENTS + 4)]
        for connection in held:
            connection.settimeout(10)
        assert [connection.recv(1) for connection in held[-4:]] == [b""] * 4
    eventually(lambda: fetch_or_none(port) == 200)


def fetch_or_none(port: int) -> int | None:
    try:
        return fetch(port, "/healthz")[0]
    except OSError:
        return None


def test_its_directory_is_of_this_user_alone_and_goes_with_it() -> None:
    with status_listening(("127.0.0.1", free_port())) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert folder.stat().st_uid == os.getuid()
    assert not folder.exists()


def test_a_taken_port_is_told_before_anything_starts(workspace: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = taken.getsockname()[1]
        workspace.change("[gateway]\n", f'[gateway]\nstatus_listen = "127.0.0.1:{at}"\n')
        ended = workspace.call("serve", "--listen", f"127.0.0.1:{free_port()}")
        assert (ended.code, "is in use" in ended.err) == (1, True)
        with (
            pytest.raises(CannotServe, match=r"gateway\.status_listen 127"),
            status_listening(("127.0.0.1", at)),
        ):
            pass


def test_where_no_directory_can_be_made_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(CannotServe, match="TMPDIR"), status_listening(("127.0.0.1", free_port())):
        pass


@pytest.mark.slow
def test_no_worker_holds_its_port_when_the_parent_is_gone(workspace: Workspace) -> None:
    at = free_port()
    workspace.change("[gateway]\n", f'[gateway]\nstatus_listen = "127.0.0.1:{at}"\n')
    with upstream() as url, serving(workspace.directory, "--upstream", url) as running:
        (worker,) = children(running.process.pid)
        eventually(lambda: told(at, "/readyz") == (200, {"status": "ok"}))
        os.kill(worker, signal.SIGSTOP)  # it cannot even end now
        try:
            running.stop(signal.SIGKILL)
            with socket.socket() as next_one:
                next_one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                next_one.bind(("127.0.0.1", at))
                next_one.listen(1)
        finally:
            os.kill(worker, signal.SIGCONT)
        eventually(lambda: not is_alive(worker))
