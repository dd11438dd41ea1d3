"""The parent of the workers: starts them, replaces the dead, swaps all for new ones, stops them. It serves nothing.

A reload makes new workers beside the old; only when every one of them answers do the old ones leave, each finishing
what it has begun. When one of the new cannot start, all of the new are ended and nothing has changed.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from types import FrameType

from gateway_auth.errors import CannotServe
from gateway_auth.server.processes import Address, Maker, Slot, Worker

STOP_SECONDS = 20.0
"""How long requests in flight may take after SIGTERM: less than the 30 s orchestrators wait before they kill."""
RETIRE_SECONDS = 600.0
"""How long requests in flight may take in a worker that was replaced: a download, an event stream, a WebSocket."""
MAX_RETIRED = 8
"""Former generations of workers that may still be finishing. More of them, and the oldest are ended."""
MAX_FAILURES = 3
_TICK_SECONDS = 1.0
_SHORT_SECONDS = 0.1

logger = logging.getLogger("gateway_auth.serve")


class Supervisor:
    """Runs `count` workers at `address`.

    `renew` is called for a reload: what makes the new workers, or None where nothing is to be changed; it says why.
    `has_changed` is asked once a second whether a reload is due without anybody asking for one.
    """

    def __init__(
        self,
        address: Address,
        count: int,
        maker: Maker,
        renew: Callable[[], Maker | None],
        has_changed: Callable[[], bool],
    ) -> None:
        self._address = address
        self._maker = maker
        self._renew = renew
        self._has_changed = has_changed
        self._slots = [Slot(number, address) for number in range(count)]
        self._next_maker: Maker | None = None
        self._retired: list[list[Worker]] = []
        self._stops = 0
        self._is_reload_asked = False
        self._wakeup = -1
        self._code = 0

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; SIGHUP reloads. Returns the exit code. Raises CannotServe."""
        for slot in self._slots:
            slot.bind()
        logger.info("listening on %s", self._address)
        with self._signals():
            try:
                for slot in self._slots:
                    slot.worker = slot.start(self._maker)
                while not self._stops and not self._code:
                    self._wait(_SHORT_SECONDS if self._is_waiting() else _TICK_SECONDS)
                    self._notice()
                    self._reload_if_due()
            finally:
                self._end()
        return self._code

    def _notice(self) -> None:
        """Whatever happened to workers."""
        for worker in self._everybody():
            if worker.listen():
                logger.info("process %d serves", worker.pid)
        self._see_to_candidates()
        for slot in self._slots:
            if slot.worker is not None and (slot.worker.is_gone or slot.worker.is_late):
                self._lose(slot, slot.worker)
            if slot.is_due() and not self._code:
                self._refill(slot)
        self._see_to_retired()

    def _lose(self, slot: Slot, worker: Worker) -> None:
        if not worker.is_gone:
            logger.error("worker %d (process %d) was not ready in time", slot.number + 1, worker.pid)
            worker.kill()
        elif not self._stops:
            logger.error("worker %d (process %d) %s", slot.number + 1, worker.pid, worker.ending())
        slot.lose()
        has_others = any(other.serves for other in self._slots)
        if slot.stillborn >= MAX_FAILURES and not has_others:
            logger.error("no worker can be started: the server stops")
            self._code = 1
        elif slot.failures and has_others and not self._address.is_shared:
            # Closed, the kernel gives new connections to the others.
            slot.close()

    def _refill(self, slot: Slot) -> None:
        try:
            slot.worker = slot.start(self._maker)
        except CannotServe as error:
            logger.error("worker %d: %s", slot.number + 1, error)
            slot.lose()

    def _reload_if_due(self) -> None:
        if self._next_maker is not None or self._stops or self._code:
            return
        if not self._is_reload_asked and not self._has_changed():
            return
        self._is_reload_asked = False
        self._next_maker = self._renew()
        if self._next_maker is None:
            return
        try:
            for slot in self._slots:
                slot.candidate = slot.start(self._next_maker)
        except CannotServe as error:
            logger.error("a new worker cannot be started: %s", error)
            self._abandon(self._next_maker)

    def _see_to_candidates(self) -> None:
        if self._next_maker is None:
            return
        candidates = [slot.candidate for slot in self._slots if slot.candidate is not None]
        if any(candidate.is_gone or candidate.is_late for candidate in candidates):
            self._abandon(self._next_maker)
        elif all(candidate.is_ready for candidate in candidates):
            self._swap(self._next_maker)

    def _abandon(self, maker: Maker) -> None:
        logger.error("the configuration was not taken: a new worker did not start; those before go on")
        self._next_maker = None
        maker.close()
        candidates = [slot.candidate for slot in self._slots if slot.candidate is not None]
        for slot in self._slots:
            slot.candidate = None
        for candidate in candidates:
            candidate.kill()
        self._retired.append(candidates)

    def _swap(self, maker: Maker) -> None:
        self._maker.close()
        self._maker, self._next_maker = maker, None
        former = [slot.worker for slot in self._slots if slot.worker is not None]
        for slot in self._slots:
            slot.worker, slot.candidate = slot.candidate, None
        for worker in former:
            worker.leave(RETIRE_SECONDS)
        self._retired.append(former)
        logger.info("reloaded: %d new workers serve, those before finish what they have begun", len(self._slots))

    def _see_to_retired(self) -> None:
        for position, generation in enumerate(self._retired):
            is_surplus = position < len(self._retired) - MAX_RETIRED
            for worker in generation:
                if (worker.is_late or is_surplus) and not worker.is_gone:
                    logger.warning("process %d is ended, with requests it did not finish in time", worker.pid)
                    worker.kill()
        kept = ([worker for worker in generation if not worker.is_gone] for generation in self._retired)
        self._retired = [generation for generation in kept if generation]

    def _end(self) -> None:
        """Let everybody finish, for a while; at once when told to stop a second time."""
        leaving = self._everybody()
        for slot in self._slots:
            slot.close()
            if slot.candidate is not None:
                slot.candidate.kill()
        self._address.remove()
        for worker in leaving:
            worker.leave(STOP_SECONDS)
        told = self._stops
        while leaving := [worker for worker in leaving if not worker.is_gone]:
            self._wait(_SHORT_SECONDS)
            for worker in leaving:
                worker.listen()
                if worker.is_late or self._stops > max(told, 1):
                    logger.warning("process %d is ended, with requests it did not finish in time", worker.pid)
                    worker.kill()

    def _everybody(self) -> list[Worker]:
        here = [worker for slot in self._slots for worker in (slot.worker, slot.candidate) if worker is not None]
        return [*here, *(worker for generation in self._retired for worker in generation)]

    def _is_waiting(self) -> bool:
        return any(slot.worker is None for slot in self._slots)

    def _wait(self, seconds: float) -> None:
        """Until something happens, at most so long."""
        awaited = [item for worker in self._everybody() for item in worker.awaited()]
        if self._wakeup in wait([*awaited, self._wakeup], seconds):
            with suppress(BlockingIOError):
                os.read(self._wakeup, 4096)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        self._wakeup, told = os.pipe()
        for end in (self._wakeup, told):
            os.set_blocking(end, False)
        handlers = {signal.SIGTERM: self._on_stop, signal.SIGINT: self._on_stop, signal.SIGHUP: self._on_reload}
        former = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        former_wakeup = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(former_wakeup)
            for number, handler in former.items():
                signal.signal(number, handler)
            os.close(self._wakeup)
            os.close(told)

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self._stops += 1

    def _on_reload(self, number: int, frame: FrameType | None) -> None:
        self._is_reload_asked = True
