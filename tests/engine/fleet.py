"""Workers of several nodes over the same counters, in a time that is moved by hand; and what they admitted when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from gateway_auth.core.limits import LimitOutcome, LimitSet
from gateway_auth.core.rates import Rate
from gateway_auth.engine.leases import LeasedLimits
from gateway_auth.ports import ShareStore
from tests.fakes import ticks

S = 1_000_000
NOON = 1_700_000_000 * S
NEVER = 1e6
SWEEP = S // 20


class Time:
    """The counters' time, in microseconds since 1970, and how workers see it: each from elsewhere, at its own pace."""

    def __init__(self) -> None:
        self.at = NOON

    def worker(self, began: float = 0.0, pace: float = 1.0) -> WorkerClock:
        return WorkerClock(self, began, pace)


class WorkerClock:
    """ports.Clock."""

    def __init__(self, time: Time, began: float, pace: float) -> None:
        self._time, self._began, self._pace = time, began, pace

    def now(self) -> float:
        return self._time.at / S

    def monotonic(self) -> float:
        return self._began + (self._time.at - NOON) / S * self._pace


class NoExact:
    """ports.LimitStore for sets in which all limits are leased."""

    def take_now(self, _limits: LimitSet, _partitions: Sequence[str | int]) -> LimitOutcome | None:
        raise AssertionError("not asked")

    async def take(self, _limits: LimitSet, _partitions: Sequence[str | int]) -> LimitOutcome:
        raise AssertionError("not asked")


class Fleet:
    """`admitted` are (moment, cost) of what all workers admitted of `limits`; `at_once` how many needed no waiting."""

    def __init__(self, limits: LimitSet, workers: int, shares: Callable[[], ShareStore], time: Time) -> None:
        self.limits, self.time = limits, time
        self.admitted: list[tuple[int, int]] = []
        self.at_once = self.asked = 0
        self._shares = shares
        self._waiting: set[asyncio.Task[None]] = set()
        self.workers = [self._new(number) for number in range(workers)]

    def _new(self, number: int) -> LeasedLimits:
        clock = self.time.worker(1000.0 * number, 1 + (number % 3 - 1) * 0.009)
        return LeasedLimits(NoExact(), self._shares(), clock, lambda _: True, sweep_seconds=NEVER)

    def die(self, number: int) -> None:
        """One worker ends without a word; another begins in its place."""
        self.workers[number] = self._new(number)

    async def request(self, number: int, partition: str = "a") -> bool | None:
        """One request; whether it was admitted, None where that is not yet known."""
        self.asked += 1
        worker, partitions = self.workers[number], [partition] * len(self.limits.limits)
        outcome = worker.take_now(self.limits, partitions)
        if outcome is not None:
            self.at_once += 1
            await ticks(4)  # for what was asked ahead
            return self._note(self.time.at, outcome)
        task = asyncio.create_task(self._wait(worker, partitions))
        self._waiting.add(task)
        task.add_done_callback(partial(set.discard, self._waiting))
        await ticks(12)
        return None

    async def _wait(self, worker: LeasedLimits, partitions: list[str]) -> None:
        began = self.time.at
        try:
            outcome = await worker.take(self.limits, partitions)
        except Exception:  # noqa: BLE001 (admitted by nobody)
            return
        self._note(began, outcome)

    def _note(self, at: int, outcome: LimitOutcome) -> bool:
        if outcome.is_admitted:
            self.admitted.append((at, self.limits.costs[0]))
        return outcome.is_admitted

    async def settled(self) -> None:
        """Wait for all that waits."""
        while self._waiting:
            await asyncio.wait(self._waiting)

    async def sweep(self) -> None:
        for worker in self.workers:
            await worker.sweep()

    async def close(self) -> None:
        await self.settled()
        for worker in self.workers:
            await worker.close()

    async def steady(self, per_second: float, seconds: float, random: Random) -> list[int]:
        """Requests at random moments, so many per second, on workers at random; returns the moments."""
        end, moments, swept = self.time.at + int(seconds * S), list[int](), self.time.at
        at = self.time.at
        while (at := at + int(random.expovariate(per_second) * S)) < end:
            while swept + SWEEP <= at:
                self.time.at = swept = swept + SWEEP
                await self.sweep()
            self.time.at = at
            moments.append(at)
            await self.request(random.randrange(len(self.workers)))
            await self.settled()
        return moments


def excess(rate: Rate, admitted: list[tuple[int, int]]) -> float:
    """By how many units what was admitted is over the rate, in the worst stretch of time; negative if never."""
    admitted = sorted(admitted)
    if rate.kind == "fixed":
        period = rate.period_seconds * S
        units: dict[int, int] = {}
        for at, cost in admitted:
            units[at // period] = units.get(at // period, 0) + cost
        return max(units.values(), default=0) - rate.count
    if rate.kind == "sliding":
        return _most_in_any(rate.period_seconds * S, admitted) - rate.count
    # The most by which a bucket that only counts what was admitted would be overdrawn.
    owed, since, most = 0.0, NOON, 0.0
    for at, cost in admitted:
        owed = max(0.0, owed - (at - since) * rate.count / (rate.period_seconds * S)) + cost
        most, since = max(most, owed), at
    return most - rate.burst - 1e-6


def _most_in_any(period: int, admitted: list[tuple[int, int]]) -> int:
    most = held = first = 0
    for at, cost in admitted:
        held += cost
        while admitted[first][0] <= at - period:
            held -= admitted[first][1]
            first += 1
        most = max(most, held)
    return most
