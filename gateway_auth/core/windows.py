"""The arithmetic of limits: three kinds of windows in whole microseconds. It knows no store and no request.

`take` takes some amount if it fits and says what is left and how long until something comes back; `undo` gives it back
within the same turn, as if nothing had been; `wait` says how long until some amount fits. Time is handed in, as
microseconds of a steady clock, except for fixed windows, which follow UTC.
"""

from __future__ import annotations

from calendar import monthrange
from collections import deque
from datetime import UTC, datetime

from gateway_auth.core.rates import LONGEST_MONTH_SECONDS, Rate

MICROSECONDS = 1_000_000
MAX_MARKS = 64
"""A sliding window remembers at most about this many moments; busier ones a little later than they were."""

_NEVER = 1 << 62
"""Later than any moment."""
_NO_MARKS: deque[tuple[int, int]] = deque()
"""Of every window with one mark or none. An empty deque takes 600 bytes, and a flood of addresses makes windows."""


class SlidingWindow:
    """At most `count` in any period: each admission is remembered until it is one period old.

    Up to 64 per period each is remembered by itself. Above, admissions of the same 64th of the period share the
    latest one's moment, so they are given back up to 1/64 of a period late: never one too many, sometimes a
    little less, and never more than 66 marks in memory. The latest mark is held apart, as it may still grow.
    """

    __slots__ = (
        "_before", "_count", "_grain", "_grain_end", "_last", "_last_cost", "_left", "_marks", "_period", "_returns_at",
    )  # fmt: skip

    def __init__(self, rate: Rate) -> None:
        self._count = rate.count
        self._period = rate.period_seconds * MICROSECONDS
        self._grain = self._period // MAX_MARKS if rate.count > MAX_MARKS else 0
        self._grain_end = 0
        self._marks = _NO_MARKS
        self._last = self._last_cost = 0
        self._before = _NEVER
        self._left = rate.count
        self._returns_at = _NEVER
        """When the oldest mark is a period old."""

    def take(self, cost: int, now: int, _utc: int) -> tuple[int, int] | None:
        """What is left and the microseconds until something comes back; None, and nothing taken, if it does not fit."""
        if now >= self._returns_at:
            self._forget(now - self._period)
        left = self._left - cost
        if left < 0:
            return None
        self._left = left
        if now >= self._grain_end:
            self._open(cost, now)
        else:
            self._before = self._last
            self._last = now
            self._last_cost += cost
            if not self._marks:
                self._returns_at = now + self._period
        return left, self._returns_at - now

    def _forget(self, horizon: int) -> None:
        """Give back what is a period old."""
        marks = self._marks
        while marks and marks[0][0] <= horizon:
            self._left += marks.popleft()[1]
        if not marks and self._last <= horizon:
            self._left += self._last_cost
            self._last_cost = self._grain_end = 0
        self._find_oldest()

    def _open(self, cost: int, now: int) -> None:
        """Begin a new latest mark."""
        if self._last_cost:
            if self._marks is _NO_MARKS:
                self._marks = deque()
            self._marks.append((self._last, self._last_cost))
        self._before, self._last, self._last_cost = _NEVER, now, cost
        if self._grain:
            self._grain_end = now - now % self._grain + self._grain
        self._find_oldest()

    def _find_oldest(self) -> None:
        if self._marks:
            self._returns_at = self._marks[0][0] + self._period
        else:
            self._returns_at = self._last + self._period if self._last_cost else _NEVER

    def undo(self, cost: int) -> None:
        """Give back what `take` took last."""
        self._left += cost
        if self._before != _NEVER:
            self._last, self._last_cost = self._before, self._last_cost - cost
        else:
            self._last, self._last_cost = self._marks.pop() if self._marks else (0, 0)
            self._grain_end = self._last - self._last % self._grain + self._grain if self._grain else 0
            if not self._last_cost:
                self._grain_end = 0
        self._find_oldest()

    def look(self, now: int, _utc: int) -> tuple[int, int]:
        """What is left and the microseconds until something comes back, after a `take` at this moment."""
        return self._left, self._returns_at - now if self._left < self._count else 0

    def wait(self, cost: int, now: int, _utc: int) -> int:
        """Microseconds until `cost` fits, if nothing else is taken, after a `take` at this moment."""
        missing = cost - self._left
        for moment, taken in (*self._marks, (self._last, self._last_cost)):
            missing -= taken
            if missing <= 0:
                return moment + self._period - now
        return self._period


class TokenBucket:
    """Holds up to `burst`, refilled evenly by `count` per period. Kept as one number: when it will be full again.

    Time is counted in ticks of 1/count microseconds so that one unit of cost is a whole number of them.
    """

    __slots__ = ("_before", "_burst", "_count", "_full_at", "_unit")

    def __init__(self, rate: Rate) -> None:
        self._count = rate.count
        self._burst = rate.burst
        self._unit = rate.period_seconds * MICROSECONDS
        self._full_at = 0
        self._before = 0

    def take(self, cost: int, now: int, utc: int) -> tuple[int, int] | None:
        """What is left and the microseconds until something comes back; None, and nothing taken, if it does not fit."""
        full_at = max(self._full_at, now * self._count) + cost * self._unit
        if full_at - now * self._count > self._burst * self._unit:
            return None
        self._before, self._full_at = self._full_at, full_at
        return self.look(now, utc)

    def undo(self, _cost: int) -> None:
        """Give back what `take` took last."""
        self._full_at = self._before

    def look(self, now: int, _utc: int) -> tuple[int, int]:
        """What is left and the microseconds until the next whole unit is back."""
        owed = self._full_at - now * self._count
        if owed <= 0:
            return self._burst, 0
        return self._burst + (-owed // self._unit), -(-((owed - 1) % self._unit + 1) // self._count)

    def wait(self, cost: int, now: int, _utc: int) -> int:
        """Microseconds until `cost` fits, if nothing else is taken."""
        ticks = self._full_at - now * self._count - (self._burst - cost) * self._unit
        return max(0, -(-ticks // self._count))


class FixedWindow:
    """`count` per whole second, minute, hour, day or calendar month of UTC."""

    __slots__ = ("_count", "_ends_at", "_is_month", "_period", "_used")

    def __init__(self, rate: Rate) -> None:
        self._count = rate.count
        self._period = (LONGEST_MONTH_SECONDS if rate.is_calendar_month else rate.period_seconds) * MICROSECONDS
        self._is_month = rate.is_calendar_month
        self._ends_at = 0
        self._used = 0

    def take(self, cost: int, _now: int, utc: int) -> tuple[int, int] | None:
        """What is left and the microseconds until the next window; None, and nothing taken, when it does not fit."""
        # A clock set back a little keeps the window, or it would be given twice; one set back far begins anew.
        if utc >= self._ends_at or utc < self._ends_at - 2 * self._period:
            self._ends_at = self._end_of(utc)
            self._used = 0
        left = self._count - self._used - cost
        if left < 0:
            return None
        self._used += cost
        return left, self.wait(0, 0, utc)

    def _end_of(self, utc: int) -> int:
        """The end of the unit that `utc` falls in."""
        return _month_end(utc) if self._is_month else utc - utc % self._period + self._period

    def undo(self, cost: int) -> None:
        """Give back what `take` took last."""
        self._used -= cost

    def look(self, _now: int, utc: int) -> tuple[int, int]:
        """What is left and the microseconds until the next window begins, after a `take` at this moment."""
        return self._count - self._used, self.wait(0, 0, utc)

    def wait(self, _cost: int, _now: int, utc: int) -> int:
        """Microseconds until the next window begins; never more than a window, wherever the clock was set."""
        return min(self._ends_at - utc, self._period)


def _month_end(utc: int) -> int:
    moment = datetime.fromtimestamp(utc // MICROSECONDS, UTC)
    first = int(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp())
    return (first + monthrange(moment.year, moment.month)[1] * 86400) * MICROSECONDS


Window = SlidingWindow | TokenBucket | FixedWindow

_WINDOWS: dict[str, type[SlidingWindow] | type[TokenBucket] | type[FixedWindow]] = {
    "sliding": SlidingWindow,
    "bucket": TokenBucket,
    "fixed": FixedWindow,
}


def new_window(rate: Rate) -> Window:
    """An empty window of the rate's kind."""
    return _WINDOWS[rate.kind](rate)
