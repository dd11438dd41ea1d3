"""The parent of the workers with workers that do as a test wants, in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import pytest

from gateway_auth.server.listening import free_port
from gateway_auth.server.sockets import TcpAddress
from gateway_auth.server.supervisor import MAX_FAILURES, Supervisor
from tests.cli.serving import eventually

Part = Callable[[Connection], None]


class Players:
    """Makes workers that play one part after the other; the last one again and again.

    One that was just forked still has the parent's handlers, which swallow a SIGTERM: `playing` have their own.
    """

    def __init__(self, *parts: Part) -> None:
        self._parts = list(parts)
        self._playing = multiprocessing.get_context("fork").Value("i", 0)
        self.made = 0
        self.is_closed = False

    @property
    def playing(self) -> int:
        """How many have begun their part."""
        return int(self._playing.value)

    def make(self, number: int, listener: socket.socket) -> tuple[BaseProcess, Connection]:
        heard, ready = multiprocessing.Pipe(duplex=False)
        part = self._parts[min(self.made, len(self._parts) - 1)]
        self.made += 1
        return multiprocessing.get_context("fork").Process(target=self._play, args=(part, ready)), heard

    def _play(self, part: Part, ready: Connection) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with self._playing.get_lock():
            self._playing.value += 1
        part(ready)
        os._exit(0)

    def close(self) -> None:
        self.is_closed = True


def fails(ready: Connection) -> None:
    os._exit(3)


def serves(ready: Connection) -> None:
    ready.send_bytes(b"ready")
    time.sleep(60)


def serves_and_dies(ready: Connection) -> None:
    ready.send_bytes(b"ready")
    time.sleep(0.2)  # long enough to be heard
    os._exit(4)


Until = Callable[[], bool]
Event = tuple[Until, signal.Signals]


def supervised(players: Players, count: int, *events: Event, renewed: Players | None = None) -> int:
    """Run it; each event is a signal, sent when something is so. Its exit code."""
    address = TcpAddress("127.0.0.1", free_port())
    supervisor = Supervisor(address, count, players, lambda: renewed, lambda: False)

    def play() -> None:
        # Handlers are set before the first worker is made.
        for is_so, number in [(lambda: players.playing >= count, None), *events]:
            eventually(is_so, 30)
            if number is not None:
                os.kill(os.getpid(), number)

    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    code = supervisor.run()
    thread.join(10)
    return code


def at_once() -> bool:
    return True


def test_a_server_whose_workers_cannot_start_gives_up(caplog: pytest.LogCaptureFixture) -> None:
    players = Players(fails)
    assert supervised(players, 1) == 1
    assert players.made == MAX_FAILURES
    assert "exited with 3" in caplog.text
    assert "no worker can be started" in caplog.text


def test_it_stops_when_told_and_leaves_the_handlers_as_they_were() -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert supervised(Players(serves), 2, (at_once, signal.SIGTERM)) == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_told_a_second_time_it_waits_for_nobody(caplog: pytest.LogCaptureFixture) -> None:
    asked: list[float] = []
    ignoring = multiprocessing.get_context("fork").Event()

    def ignores_sigterm(ready: Connection) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ignoring.set()
        ready.send_bytes(b"ready")
        time.sleep(60)

    def a_while_later() -> bool:
        asked.append(time.monotonic())
        return asked[-1] - asked[0] > 0.5

    # Told before, it would leave at once, and the second signal would be nobody's.
    told = (ignoring.is_set, signal.SIGTERM)
    assert supervised(Players(ignores_sigterm), 1, told, (a_while_later, signal.SIGINT)) == 0
    assert "with requests it did not finish in time" in caplog.text


def test_new_workers_take_over_all_at_once() -> None:
    former, renewed = Players(serves), Players(serves)
    events = ((at_once, signal.SIGHUP), (lambda: former.is_closed, signal.SIGTERM))
    assert supervised(former, 2, *events, renewed=renewed) == 0
    assert (former.made, renewed.made, former.is_closed) == (2, 2, True)


def test_one_new_worker_that_fails_keeps_all_of_the_old(caplog: pytest.LogCaptureFixture) -> None:
    former, renewed = Players(serves), Players(serves, fails)
    events = ((at_once, signal.SIGHUP), (lambda: renewed.is_closed, signal.SIGTERM))
    assert supervised(former, 2, *events, renewed=renewed) == 0
    assert "was not taken" in caplog.text
    assert (former.made, former.is_closed, renewed.is_closed) == (2, False, True)


def test_a_place_where_nobody_can_start_is_tried_again_while_another_serves(caplog: pytest.LogCaptureFixture) -> None:
    players = Players(serves, fails, fails, fails, serves)
    assert supervised(players, 2, (lambda: players.playing == 5, signal.SIGTERM)) == 0
    assert "no worker can be started" not in caplog.text
    assert players.made == 5


def test_workers_that_serve_and_die_are_replaced_without_end() -> None:
    players = Players(*[serves_and_dies] * MAX_FAILURES, serves)
    assert supervised(players, 1, (lambda: players.playing == MAX_FAILURES + 1, signal.SIGTERM)) == 0
