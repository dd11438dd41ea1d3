"""One worker process as its parent sees it, and the place it serves at. It does not know what it serves."""

from __future__ import annotations

import math
import os
import signal
import socket
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Protocol

from gateway_auth.server.sockets import close

START_SECONDS = 30.0
STEADY_SECONDS = 5.0
"""After a worker that dies younger than this there is a pause before the next."""
MAX_PAUSE_SECONDS = 5.0


class Address(Protocol):
    """Where workers listen. `is_shared`: all of them by one socket."""

    is_shared: bool

    def bind(self) -> socket.socket:
        """A socket that listens, one for each call or the same."""

    def remove(self) -> None:
        """Nobody will listen there again."""


class Maker(Protocol):
    """Makes processes that serve one configuration."""

    def make(self, number: int, listener: socket.socket) -> tuple[BaseProcess, Connection]:
        """A process that has not been started, and where it says that it is ready."""

    def close(self) -> None:
        """Nobody will ask for another one."""


class Worker:
    """A process that was started. It is ready from the moment it says so."""

    def __init__(self, process: BaseProcess, heard: Connection) -> None:
        self._process = process
        self._heard = heard
        self._born = time.monotonic()
        self._deadline = self._born + START_SECONDS
        self._is_leaving = False
        self.is_ready = False
        process.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid or 0

    @property
    def is_gone(self) -> bool:
        """Whether it has ended."""
        return not self._process.is_alive()

    @property
    def is_late(self) -> bool:
        """Whether it should have been ready, or gone, by now."""
        return time.monotonic() > self._deadline

    @property
    def is_young(self) -> bool:
        """Whether it cannot be said to have worked yet."""
        return not self.is_ready or time.monotonic() < self._born + STEADY_SECONDS

    def awaited(self) -> list[int | Connection]:
        """What becomes readable when something happens to it."""
        return [self._process.sentinel] if self.is_ready else [self._process.sentinel, self._heard]

    def listen(self) -> bool:
        """Whether it has become ready since it was asked before."""
        if self.is_ready or not self._heard.poll():
            return False
        with suppress(EOFError, OSError):  # it has ended
            self.is_ready = bool(self._heard.recv_bytes(16))
        if self.is_ready and not self._is_leaving:
            self._deadline = math.inf
        return self.is_ready

    def leave(self, seconds: float) -> None:
        """Tell it to finish what it has begun, and to be gone in so many seconds."""
        self._is_leaving = True
        self._deadline = time.monotonic() + seconds
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it now."""
        self._send(signal.SIGKILL)

    def ending(self) -> str:
        """How it ended."""
        code = self._process.exitcode or 0
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"

    def _send(self, number: signal.Signals) -> None:
        if self._process.is_alive():  # waits for it where it has ended, so that the number is nobody else's yet
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Slot:
    """One of the places workers serve at, with the socket it accepts from. It outlives each of its workers."""

    def __init__(self, number: int, address: Address) -> None:
        self.number = number
        self._address = address
        self._listener: socket.socket | None = None
        self._failures = self._stillborn = 0
        self._not_before = 0.0
        self.worker: Worker | None = None
        self.candidate: Worker | None = None

    @property
    def serves(self) -> bool:
        """Whether somebody answers here."""
        return self.worker is not None and self.worker.is_ready

    @property
    def failures(self) -> int:
        """How many workers in a row did not live long."""
        return self._failures

    @property
    def stillborn(self) -> int:
        """How many workers in a row were never ready."""
        return self._stillborn

    def bind(self) -> None:
        """Listen. Raises CannotServe."""
        if self._listener is None:
            self._listener = self._address.bind()

    def start(self, maker: Maker) -> Worker:
        """A new worker here. Raises CannotServe."""
        self.bind()
        if self._listener is None:
            raise AssertionError("bound and without a socket")
        return Worker(*maker.make(self.number, self._listener))

    def lose(self) -> None:
        """Its worker has died."""
        is_failure = self.worker is not None and self.worker.is_young
        self._stillborn = 0 if self.worker is not None and self.worker.is_ready else self._stillborn + 1
        self._failures = self._failures + 1 if is_failure else 0
        pause = min(MAX_PAUSE_SECONDS, 0.1 * 2.0**self._failures) if is_failure else 0.0
        self._not_before = time.monotonic() + pause
        self.worker = None

    def is_due(self) -> bool:
        """Whether a worker is missing here and may be started."""
        return self.worker is None and time.monotonic() >= self._not_before

    def close(self) -> None:
        """Stop listening in this process."""
        if self._listener is not None:
            close(self._listener)
            self._listener = None
