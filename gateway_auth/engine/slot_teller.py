"""Tells the table all workers share how many slots this one holds, and asks it for more. It knows no limits.

One call is under way at a time, and each says how many are held in all, not what came or went since the last. So a
call that was lost, or heard although its answer was not, is made good by the next.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

from gateway_auth.core.ledger import Ledger
from gateway_auth.core.slots import SlotAnswer, SlotWish
from gateway_auth.errors import RedisUnavailable
from gateway_auth.ports import SlotTable

logger = logging.getLogger("gateway_auth.limits")

MAX_BATCH = 64
"""How many names one call is about at most (docs/decisions/0010-redis-limits.md)."""
RETRY_SECONDS = 0.5
RENEWALS = 3
"""How often what is held is told again within a lease: two of these may be lost."""

_Waiting = tuple[SlotWish, "asyncio.Future[SlotAnswer | Exception]"]


class SlotTeller:
    """`held` are the slots of this worker, however it came by them. It belongs to the event loop of its first use."""

    def __init__(self, table: SlotTable, monotonic: Callable[[], float]) -> None:
        self.held: Ledger[bytes] = Ledger()
        self._table = table
        self._monotonic = monotonic
        self._renew_seconds = table.lease_seconds / RENEWALS
        self._told: dict[bytes, float] = {}  # what the table may believe this worker to hold, and since when
        self._untold: dict[bytes, None] = {}  # of which the table has to be told a count, in order
        self._wishes: deque[_Waiting] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_failing = self._is_closed = False

    async def ask(self, wish: SlotWish) -> SlotAnswer:
        """The answer all workers would get; what it grants is held then. Raises RedisUnavailable.

        A caller that is cancelled holds nothing, however far its wish had come.
        """
        self._loop = asyncio.get_running_loop()
        future: asyncio.Future[SlotAnswer | Exception] = self._loop.create_future()
        self._wishes.append((wish, future))
        self._wake()
        try:
            answer = await future
        except asyncio.CancelledError:
            # Granted and cancelled in one turn of the loop: nobody else knows of the slots.
            if future.done() and not future.cancelled() and _is_grant(future.result()):
                self.give_back(wish.names)
            raise
        if isinstance(answer, Exception):
            raise answer.with_traceback(None)
        return answer

    def take_here(self, names: Sequence[bytes], rooms: Sequence[int]) -> tuple[bool, tuple[int, ...]]:
        """Slots without asking anybody; the table is told when it can be. As `Ledger.take`."""
        is_lent, left = self.held.take(names, rooms)
        if is_lent:
            self._loop = asyncio.get_running_loop()
            self._changed(names)
        return is_lent, left

    def give_back(self, names: Sequence[bytes]) -> None:
        """What was held is free. Never waits."""
        self.held.give_back(names)
        self._changed(names)

    def renew(self) -> None:
        """Tell again what will not be believed for much longer, and forget what is believed no more."""
        now = self._monotonic()
        for name, at in list(self._told.items()):
            if name in self.held:
                if now - at >= self._renew_seconds:
                    self._untold[name] = None
            elif now - at >= self._table.lease_seconds:
                del self._told[name]
                self._untold.pop(name, None)
        self._is_failing = False
        self._wake()

    async def close(self) -> None:
        """Stop, and say if that can be said that nothing is held: others then need not wait for the lease to end."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        names = list(self._told)
        try:
            for first in range(0, len(names), MAX_BATCH):
                await self._table.tell(dict.fromkeys(names[first : first + MAX_BATCH], 0), ())
        except RedisUnavailable as error:
            logger.debug("slots of this worker are free only when its lease ends: %s", error)

    # -- when to speak ---------------------------------------------------------------------------------------------

    def _changed(self, names: Sequence[bytes]) -> None:
        for name in names:
            if name in self.held or name in self._told:
                self._untold[name] = None
            else:
                self._untold.pop(name, None)  # it came and went while nobody could be told
        self._wake()

    def _wake(self) -> None:
        """Speak, where there is something to say. After a failure only for somebody who waits, until the next try."""
        loop = self._loop
        if loop is None or loop.is_closed() or self._is_closed or self._task is not None:
            return
        if self._wishes or (self._untold and not self._is_failing):
            self._task = loop.create_task(self._speak(), name="gateway-auth slots")
        else:
            self._wake_later(loop)

    def _wake_later(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is None and not self._is_closed and (self._told or self._untold):
            self._timer = loop.call_later(RETRY_SECONDS if self._is_failing else self._renew_seconds / 2, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.renew()

    # -- one call after the other ----------------------------------------------------------------------------------

    async def _speak(self) -> None:
        batch: list[_Waiting] = []
        names: list[bytes] = []
        try:
            while self._wishes or self._untold:
                batch = self._next_wishes()
                names = self._next_names(batch)
                if not names:
                    continue  # nobody waits any more for what was wished
                # Of what the table knows nothing of, and should not, it is told nothing.
                held = {name: self.held.get(name, 0) for name in names if name in self._told or name in self.held}
                self._told.update(dict.fromkeys(names, self._monotonic()))
                answers = await self._table.tell(held, [wish for wish, _ in batch])
                self._heard(batch, names, answers)
        except Exception as error:  # noqa: BLE001 (it is every caller's, who raises it)
            self._lost(batch, names, error)
        finally:
            self._task = None
            for _, future in (*batch, *self._wishes):
                future.cancel()  # only those of a teller that is closed are not done yet
            self._wishes.clear()
            self._wake_later(asyncio.get_running_loop())

    def _next_wishes(self) -> list[_Waiting]:
        """In order of arrival, without those nobody waits for; a share of the call is left for what was given back."""
        batch: list[_Waiting] = []
        names: set[bytes] = set()
        room = MAX_BATCH - min(len(self._untold), MAX_BATCH // 2)
        while self._wishes:
            wish, future = self._wishes[0]
            if not future.done():
                names.update(wish.names)
                if batch and len(names) > room:
                    break
                batch.append((wish, future))
            self._wishes.popleft()
        return batch

    def _next_names(self, batch: list[_Waiting]) -> list[bytes]:
        """Everything the next call is about, each once."""
        names = dict.fromkeys(name for wish, _ in batch for name in wish.names)
        names |= dict.fromkeys(islice(self._untold, max(0, MAX_BATCH - len(names))))
        for name in names:
            self._untold.pop(name, None)
        return list(names)

    def _heard(self, batch: list[_Waiting], names: list[bytes], answers: Sequence[SlotAnswer]) -> None:
        self._is_failing = False
        for (wish, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                if answer.is_granted:
                    self.held.add(wish.names)
                future.set_result(answer)
            elif answer.is_granted:
                self._untold.update(dict.fromkeys(wish.names))
        for name in names:
            if name not in self.held and name not in self._untold:
                self._told.pop(name, None)

    def _lost(self, batch: list[_Waiting], names: list[bytes], error: Exception) -> None:
        """Nobody knows whether it was heard. Whoever waits would ask in vain too, and learns it without asking."""
        if not isinstance(error, RedisUnavailable):
            logger.error("telling how many requests are under way failed", exc_info=error)
        self._is_failing = True
        self._untold.update(dict.fromkeys(names))
        for _, future in (*batch, *self._wishes):
            if not future.done():
                future.set_result(error)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _is_grant(answer: SlotAnswer | Exception) -> bool:
    return isinstance(answer, SlotAnswer) and answer.is_granted
