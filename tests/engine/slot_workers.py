"""Workers that share slots over a table that can be held up, fail, or hear without being heard."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from gateway_auth.core.limits import LimitOutcome, LimitSet
from gateway_auth.core.shares import Share
from gateway_auth.core.slots import SlotAnswer, SlotWish
from gateway_auth.engine.shared_slots import SharedSlots
from gateway_auth.engine.slot_teller import MAX_BATCH
from tests.adapters.slot_conformance import take
from tests.fakes import FakeClock
from tests.redis.patience import until

LEASE = 30.0


class Table:
    """The part of ports.SlotTable that all workers share: what each said, and until when it is believed.

    `failure` is raised instead of an answer: with `is_deaf` before it was heard, else after. While it
    `holds`, calls wait.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.said: dict[bytes, dict[int, tuple[int, float]]] = {}
        self.failure: Exception | None = None
        self.is_deaf = True
        self.waiting: list[asyncio.Event] = []
        self.holds = False

    def held(self, name: bytes) -> int:
        now = self.clock.monotonic()
        return sum(count for count, ending in self.said.get(name, {}).values() if now < ending)

    def total(self) -> int:
        return sum(self.held(name) for name in self.said)


class Voice:
    """ports.SlotTable of one worker. `calls` are what it told."""

    def __init__(self, table: Table, number: int) -> None:
        self.lease_seconds = LEASE
        self.table = table
        self.calls: list[tuple[dict[bytes, int], int]] = []
        self._number = number

    async def tell(self, held: Mapping[bytes, int], wishes: Sequence[SlotWish]) -> Sequence[SlotAnswer]:
        table = self.table
        names = {*held, *(name for wish in wishes for name in wish.names)}
        self.calls.append((dict(held), len(wishes)))
        assert len(names) <= MAX_BATCH
        if table.holds:
            table.waiting.append(event := asyncio.Event())
            await event.wait()
        await asyncio.sleep(0)
        if table.failure is not None and table.is_deaf:
            raise table.failure
        for name, count in held.items():
            self._say(name, count)
        answers = [self._answer(wish) for wish in wishes]
        if table.failure is not None:
            raise table.failure
        return answers

    def _answer(self, wish: SlotWish) -> SlotAnswer:
        table = self.table
        is_granted = all(table.held(name) < room for name, room in zip(wish.names, wish.rooms, strict=True))
        for name in wish.names if is_granted else ():
            mine, _ = table.said.get(name, {}).get(self._number, (0, 0.0))
            self._say(name, mine + 1)
        left = [max(0, room - table.held(name)) for name, room in zip(wish.names, wish.rooms, strict=True)]
        return SlotAnswer(is_granted, tuple(left))

    def _say(self, name: bytes, count: int) -> None:
        ending = self.table.clock.monotonic() + LEASE
        self.table.said.setdefault(name, {})[self._number] = (count, ending)


class Workers:
    """ports.LiveWorkers."""

    def __init__(self, share: Share) -> None:
        self.share = share


class Worker:
    """One of some workers over a table."""

    def __init__(self, table: Table, number: int = 0, workers: int = 1) -> None:
        self.voice = Voice(table, number)
        self.is_reachable = True
        self.workers = Workers(Share(workers, number))
        self.store = SharedSlots(self.voice, lambda: self.is_reachable, self.workers, table.clock)

    async def take(self, limits: LimitSet, *partitions: str | int) -> LimitOutcome:
        return await take(self.store, limits, *(partitions or ("alice",) * len(limits.slots)))

    async def admitted(self, limits: LimitSet, times: int) -> list[LimitOutcome]:
        outcomes = [await self.take(limits) for _ in range(times)]
        return [outcome for outcome in outcomes if outcome.is_admitted]

    def renew(self) -> None:
        """What its timer does."""
        self.store._teller.renew()

    @property
    def is_idle(self) -> bool:
        return self.store._teller._task is None


async def settled(*workers: Worker) -> None:
    """Until they have said what they have to say."""
    await until(lambda: all(worker.is_idle for worker in workers))
