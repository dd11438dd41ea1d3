"""Limits that workers take shares of ahead: most requests are counted here, at once, and few calls reach the counters.

It decides when to ask and what a request is told; what may be lent is `core.lease`'s, what is held `core.hand`'s. It
knows no Redis beyond that it may be unavailable (docs/limits.md).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import TypeVar

from gateway_auth.core.hand import Hand
from gateway_auth.core.lease import Grant, Want, terms_of
from gateway_auth.core.limits import Limit, LimitOutcome, LimitSet
from gateway_auth.core.memo import Generations, Memo
from gateway_auth.core.windows import MICROSECONDS
from gateway_auth.errors import RedisUnavailable
from gateway_auth.ports import Clock, LimitFallback, LimitStore, ShareStore

logger = logging.getLogger("gateway_auth.limits")

MAX_HANDS = 1 << 16
"""How many partitions of one limit are remembered. To forget one costs a question; its share is given back."""
SWEEP_SECONDS = 0.05
MAX_SETTLED = 16
"""How many windows one call gives back to: their number is what it costs the counters."""
CLOSE_SECONDS = 1.0

T = TypeVar("T")

_Asked = tuple[Hand, Want]
_Ready = tuple[Hand, int, int]
"""What was spent for a request that still waits: of which hand, how much, of which share."""


class _Pool(Generations[str | int, Hand]):
    """What this worker holds of the windows of one limit."""

    __slots__ = ("_limit", "_terms")

    def __init__(self, limit: Limit) -> None:
        super().__init__(MAX_HANDS)
        self._limit, self._terms = limit, terms_of(limit)

    def hand(self, partition: str | int) -> Hand:
        """The hand of a partition, now made if there is none."""
        hand = self[partition]
        if hand is None:
            hand = Hand(self._limit, self._terms, partition)
            self.put(partition, hand)
        return hand


class LeasedLimits:
    """`ports.LimitStore` over the counters all share. Where not all limits of a set are leased, `exact` counts them.

    `take_now` answers out of what is held, also while the counters are unavailable; `take` asks, and where they do not
    answer it is `fallback` that does; without one it raises RedisUnavailable. `close` gives back what is held. It
    belongs to one event loop.
    """

    def __init__(
        self,
        exact: LimitStore,
        shares: ShareStore,
        clock: Clock,
        is_leased: Callable[[Limit], bool],
        *,
        fallback: LimitFallback | None = None,
        sweep_seconds: float = SWEEP_SECONDS,
    ) -> None:
        self._exact = exact
        self._shares = shares
        self._monotonic = clock.monotonic
        self._is_leased = is_leased
        self._fallback = fallback
        self._sweep_seconds = sweep_seconds
        self._pools: dict[str, _Pool] = {}
        self._of: Memo[LimitSet, list[_Pool] | None] = Memo(self._find)
        self._ends: list[tuple[int, int, Hand]] = []
        self._numbers = count()
        self._sweeper: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[object]] = set()

    def _find(self, limits: LimitSet) -> list[_Pool] | None:
        """The pools of each limit; None where they are counted exactly, together in one step."""
        keys = {limit.key for limit in limits.limits}
        if len(keys) < len(limits.limits) or not all(map(self._is_leased, limits.limits)):
            return None
        return [self._pools.setdefault(limit.key, _Pool(limit)) for limit in limits.limits]

    # -- what is held ----------------------------------------------------------------------------------------------

    def take_now(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome | None:
        """Admitted where all is in hand, refused where one is known to be full; else None."""
        pools = self._of[limits]
        if pools is None:
            return self._exact.take_now(limits, partitions)
        monotonic = self._monotonic
        now = int(monotonic() * MICROSECONDS)
        hands = []
        for pool, partition, cost in zip(pools, partitions, limits.costs):  # noqa: B905 (a keyword costs)
            hand = pool[partition]
            if hand is None:
                return None
            if hand.left < cost or now >= hand.ends_at:
                return self._not_at_once(limits, [pool[of] for pool, of in zip(pools, partitions, strict=True)], now)
            hands.append(hand)
        return self._spend(limits, hands, now)

    def _not_at_once(self, limits: LimitSet, known: list[Hand | None], now: int) -> LimitOutcome | None:
        hands = [hand for hand in known if hand is not None]
        if len(hands) < len(known):
            return None
        missing = [not hand.has(cost, now) for hand, cost in zip(hands, limits.costs, strict=True)]
        if not any(missing):
            return self._spend(limits, hands, now)
        full = [
            is_missing and hand.is_refused(cost, now)
            for is_missing, hand, cost in zip(missing, hands, limits.costs, strict=True)
        ]
        return _refused(limits, hands, full, now) if any(full) else None

    def _spend(self, limits: LimitSet, hands: list[Hand], now: int) -> LimitOutcome:
        status: list[int] = []
        for hand, cost in zip(hands, limits.costs):  # noqa: B905 (as above)
            left = hand.left = hand.left - cost
            if left <= hand.low:
                self._refill(hand, now)
            remaining, reset = hand.base + left, hand.reset_at - now
            status.append(remaining if remaining > 0 else 0)
            status.append((reset + MICROSECONDS - 1) // MICROSECONDS if reset > 0 else 1)
        return LimitOutcome(True, tuple(status))

    def _refill(self, hand: Hand, now: int) -> None:
        """Ask for the next share before this one is used up. Nobody waits for it."""
        want = hand.refill(now)
        if want is not None:
            self._begin(self._ask_quietly([(hand, want)]))

    # -- what is not -----------------------------------------------------------------------------------------------

    def take(self, limits: LimitSet, partitions: Sequence[str | int]) -> Awaitable[LimitOutcome]:
        """The same, asking for all that is not in hand at once."""
        pools = self._of[limits]
        if pools is None:
            return self._exact.take(limits, partitions)
        return self._take_leased(limits, pools, partitions)

    async def _take_leased(self, limits: LimitSet, pools: list[_Pool], partitions: Sequence[str | int]) -> LimitOutcome:
        outcome = self.take_now(limits, partitions)  # somebody else's answer may have come meanwhile
        if outcome is not None:
            return outcome
        hands = [pool.hand(partition) for pool, partition in zip(pools, partitions, strict=True)]
        try:
            # In a task of its own: what is granted to a caller who is cancelled is not lost.
            outcome = await asyncio.shield(self._begin(self._take_asking(limits, hands)))
        except RedisUnavailable as error:
            if self._fallback is None:
                raise
            return self._fallback.instead(limits, partitions, error.kind)
        if self._fallback is not None:
            self._fallback.answered([(limits, partitions, 1)] if outcome.is_admitted else [])
        return outcome

    async def _take_asking(self, limits: LimitSet, hands: list[Hand]) -> LimitOutcome:
        now = self._now()
        ready: list[_Ready] = []
        asked: list[_Asked] = []
        for hand, cost in zip(hands, limits.costs, strict=True):
            if hand.has(cost, now):
                ready.append((hand, cost, hand.spend(cost)))
            else:
                asked.append((hand, hand.want(cost, now)))
        if not asked:  # what somebody else asked for has come just now
            return LimitOutcome(True, _status(hands, now))
        is_admitted = False
        try:
            grant = await self._ask(asked)
            is_admitted = grant.is_admitted
        finally:
            if not is_admitted:
                for hand, cost, stamp in ready:
                    hand.undo(cost, stamp)
        now = self._now()
        if is_admitted:
            return LimitOutcome(True, _status(hands, now))
        full = {id(hand) for (hand, _), told in zip(asked, grant.standings, strict=True) if told.wait_seconds}
        return _refused(limits, hands, [id(hand) in full for hand in hands], now)

    async def _ask(self, asked: list[_Asked]) -> Grant:
        asked_at = self._now()
        try:
            grant = await self._shares.take([want for _, want in asked])
        except BaseException:
            for hand, want in asked:
                hand.lost(want)
            raise
        now = self._now()
        for (hand, want), standing in zip(asked, grant.standings, strict=True):
            ends_at = hand.learn(want, standing, grant.stamp, (asked_at, now), grant.is_admitted)
            if ends_at:
                heappush(self._ends, (ends_at, next(self._numbers), hand))
                if self._sweeper is None:
                    self._sweeper = asyncio.create_task(self._keep_sweeping(), name="gateway-auth leases")
        return grant

    async def _ask_quietly(self, asked: list[_Asked]) -> None:
        """For no request, so that nobody has to know of an outage. What was given back is then lost."""
        try:
            await self._ask(asked)
        except RedisUnavailable:
            return
        except Exception:
            logger.exception("asking for shares of limits failed unexpectedly")

    def _begin(self, asking: Coroutine[None, None, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(asking)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # seen, also where the caller has left

    # -- giving back -----------------------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Give back what is left of shares that have ended."""
        now, ended = self._now(), dict[int, Hand]()
        while self._ends and self._ends[0][0] <= now:
            hand = heappop(self._ends)[2]
            ended[id(hand)] = hand
        await self._give_back([(hand, want) for hand in ended.values() if (want := hand.settle(now)) is not None])

    async def close(self) -> None:
        """Give back all that is held, if that can be done quickly. Callers that still wait are cancelled."""
        if self._tasks:
            _, waiting = await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.wait((self._sweeper,))
        now = self._now()
        held = {id(hand): hand for _, _, hand in self._ends}
        self._ends.clear()
        wants = [(hand, hand.settle(now, is_last=True)) for hand in held.values()]
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._give_back([(hand, want) for hand, want in wants if want is not None])
        except TimeoutError:
            logger.warning("shares of limits could not be given back in time: they count as used")

    async def _give_back(self, asked: list[_Asked]) -> None:
        for start in range(0, len(asked), MAX_SETTLED):
            await self._ask_quietly(asked[start : start + MAX_SETTLED])

    async def _keep_sweeping(self) -> None:
        """While anything is held."""
        try:
            while self._ends:
                await asyncio.sleep(self._sweep_seconds)
                await self.sweep()
        finally:
            self._sweeper = None

    def _now(self) -> int:
        return int(self._monotonic() * MICROSECONDS)


def _status(hands: list[Hand], now: int) -> tuple[int, ...]:
    return tuple(number for hand in hands for number in hand.known(now))


def _refused(limits: LimitSet, hands: list[Hand], full: list[bool], now: int) -> LimitOutcome:
    """`full` tells of which limits it is known that they have no room."""
    violated = tuple(limit.id for limit, is_full in zip(limits.limits, full, strict=True) if is_full)
    wait = max(hand.wait_until - now for hand, is_full in zip(hands, full, strict=True) if is_full)
    return LimitOutcome(False, _status(hands, now), max(1, -(-wait // MICROSECONDS)), violated)
