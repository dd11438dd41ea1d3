"""Counters all share that lend, as plainly as can be: what `leases.lua` and the engine are held against."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from math import ceil

from gateway_auth.core.lease import Grant, Standing, Want
from gateway_auth.core.rates import Rate
from gateway_auth.errors import RedisUnavailable

S = 1_000_000


class Marks:
    """At most `count` in any `period`; above 64, what is of one 64th shares the latest moment."""

    def __init__(self, count: int, period: int) -> None:
        self.count, self.period = count, period
        self.marks: list[tuple[int, int]] = []

    def at(self, now: int) -> None:
        self.marks = [mark for mark in self.marks if mark[0] > now - self.period]

    def used(self, _now: int = 0) -> int:
        return sum(cost for _, cost in self.marks)

    def left(self, now: int) -> int:
        return max(0, self.count - self.used(now))

    def fits(self, need: int, now: int) -> bool:
        return self.used(now) + need <= self.count

    def take(self, amount: int, now: int) -> None:
        if self.count > 64 and self.marks and self._grain(self.marks[-1][0]) == self._grain(now):
            amount += self.marks.pop()[1]
        self.marks.append((now, amount))

    def give_back(self, stamp: int, amount: int) -> None:
        kept = []
        for moment, cost in self.marks:
            is_it = (
                self._grain(moment) == self._grain(stamp) and moment >= stamp if self.count > 64 else moment == stamp
            )
            back = min(amount, cost) if is_it else 0
            amount -= back
            if cost > back:
                kept.append((moment, cost - back))
        self.marks = kept

    def reset(self, now: int) -> int:
        return self.marks[0][0] + self.period - now if self.marks else 0

    def wait(self, need: int, now: int) -> int:
        missing = self.used(now) + need - self.count
        for moment, cost in self.marks:
            missing -= cost
            if missing <= 0:
                return ceil(Fraction(moment + self.period - now, S))
        return self.period // S

    def _grain(self, moment: int) -> int:
        return moment * 64 // self.period


class Level:
    """A bucket, in fractions."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.period = rate.period_seconds * S
        self.owed, self.since = Fraction(0), 0

    def at(self, now: int) -> None:
        self.owed = max(Fraction(0), self.owed - Fraction((now - self.since) * self.rate.count, self.period))
        self.since = now

    def left(self, _now: int) -> int:
        return max(0, self.rate.burst - ceil(self.owed))

    def fits(self, need: int, _now: int) -> bool:
        return self.owed + need <= self.rate.burst

    def take(self, amount: int, _now: int) -> None:
        self.owed += amount

    def give_back(self, _stamp: int, amount: int) -> None:
        self.owed = max(Fraction(0), self.owed - amount)

    def reset(self, _now: int) -> int:
        return ceil((self.owed - (ceil(self.owed) - 1)) * self.period / self.rate.count) if self.owed else 0

    def wait(self, need: int, _now: int) -> int:
        return ceil((self.owed + need - self.rate.burst) * self.rate.period_seconds / self.rate.count)


class Quota:
    """So much in each unit of UTC."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.period = (31 * 86400 if rate.is_calendar_month else rate.period_seconds) * S
        self.ends = self.used = 0

    def at(self, now: int) -> None:
        if now >= self.ends:
            self.ends, self.used = self._end_of(now), 0

    def left(self, _now: int) -> int:
        return max(0, self.rate.count - self.used)

    def fits(self, need: int, _now: int) -> bool:
        return self.used + need <= self.rate.count

    def take(self, amount: int, _now: int) -> None:
        self.used += amount

    def give_back(self, stamp: int, amount: int) -> None:
        if self._end_of(stamp) == self.ends:
            self.used -= amount

    def reset(self, now: int) -> int:
        return self.ends - now

    def wait(self, _need: int, now: int) -> int:
        return ceil(Fraction(self.ends - now, S))

    def _end_of(self, now: int) -> int:
        if not self.rate.is_calendar_month:
            return now - now % self.period + self.period
        moment = datetime.fromtimestamp(now // S, UTC)
        year, month = moment.year + moment.month // 12, moment.month % 12 + 1
        return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * S


Model = Marks | Level | Quota


def model_of(rate: Rate) -> Model:
    """An empty window."""
    if rate.kind == "sliding":
        return Marks(rate.count, rate.period_seconds * S)
    return Level(rate) if rate.kind == "bucket" else Quota(rate)


class Lending:
    """`ports.ShareStore`. `now` gives its time in microseconds.

    `asked` are the wants of each call. `failure` is the kind of what comes instead of an answer, before anything was
    done; `is_lossy` loses answers to what was done. `hold` makes answers wait until `release`.
    """

    def __init__(self, now: Callable[[], int]) -> None:
        self.asked: list[Sequence[Want]] = []
        self.failure: str | None = None
        self.error: Exception | None = None
        self.is_lossy = False
        self.windows: dict[tuple[str, str | int], Model] = {}
        self.lent: dict[tuple[str, str | int], Marks] = {}
        self._now = now
        self._gate = asyncio.Event()
        self._gate.set()

    @property
    def calls(self) -> int:
        return len(self.asked)

    @property
    def is_held(self) -> bool:
        return not self._gate.is_set()

    def hold(self) -> None:
        self._gate.clear()

    def release(self) -> None:
        self._gate.set()

    async def take(self, wants: Sequence[Want]) -> Grant:
        self.asked.append(wants)
        if self.error is not None:
            raise self.error
        if self.failure is not None:
            raise RedisUnavailable("no", self.failure)
        grant = self.answer(wants)
        await self._gate.wait()
        if self.is_lossy:
            raise RedisUnavailable("no answer", "timeout")
        return grant

    def answer(self, wants: Sequence[Want]) -> Grant:
        now = self._now()
        for want in wants:
            window, lent = self._of(want)
            for closed in want.closed:
                lent.give_back(closed.stamp, closed.lent)
                window.give_back(closed.stamp, closed.unused)
        is_admitted = all(not want.need or self._of(want)[0].fits(want.need, now) for want in wants)
        return Grant(now, tuple(self._stand(want, is_admitted, now) for want in wants))

    def _stand(self, want: Want, is_admitted: bool, now: int) -> Standing:
        window, lent = self._of(want)
        if not is_admitted:
            wait = window.wait(want.need, now) if want.need and not window.fits(want.need, now) else 0
            return Standing(window.left(now), window.reset(now), wait)
        share = min(want.ahead, (window.left(now) - want.need) // 4, (max(0, lent.count - lent.used()) + 1) // 2)
        share = max(0, share - share % want.limit.cost)
        if want.need + share:
            window.take(want.need + share, now)
        if share:
            lent.take(share, now)
        return Standing(window.left(now), window.reset(now), 0, share)

    def _of(self, want: Want) -> tuple[Model, Marks]:
        key, now = (want.limit.key, want.partition), self._now()
        window = self.windows.setdefault(key, model_of(want.limit.rate))
        lent = self.lent.setdefault(key, Marks(want.terms.most, want.terms.life))
        window.at(now)
        lent.at(now)
        return window, lent
