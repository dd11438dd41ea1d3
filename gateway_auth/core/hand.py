"""What one worker holds of one window: a share, perhaps the next one, and what it was told. Pure; `now` is handed in.

All moments are microseconds of this worker's steady clock, except stamps, which are the shared counters'.
"""

from __future__ import annotations

from msgspec import Struct

from gateway_auth.core.lease import Closed, Standing, Terms, Want
from gateway_auth.core.limits import Limit
from gateway_auth.core.windows import MICROSECONDS

DRIFT_PART = 100
"""A share ends here one part in so many early, as two clocks need not run equally fast."""
REFILL_PART = 4
"""The next share is asked for when this part of one is left."""


class Share(Struct, frozen=True, gc=False):
    """Units taken ahead at `stamp`, to be spent before `ends_at`."""

    stamp: int
    units: int
    ends_at: int


NO_SHARE = Share(0, 0, 0)


class Hand:
    """Held of one window.

    A request is admitted here when `left` covers its cost and `ends_at` has not come; `base + left` is then what
    remains for its client as far as is known, and `reset_at` when something comes back. At `left <= low` the next
    share should be asked for. Callers of the hot path use these themselves; everything else is behind methods.
    """

    __slots__ = (
        "_closed", "_last_want", "_limit", "_measured", "_measured_at", "_next", "_partition", "_refused_cost",
        "_share", "_spent", "_terms", "base", "ends_at", "is_asking", "left", "low", "refused_until", "reset_at",
        "wait_until",
    )  # fmt: skip

    def __init__(self, limit: Limit, terms: Terms, partition: str | int) -> None:
        self._limit, self._terms, self._partition = limit, terms, partition
        self._share, self._next = NO_SHARE, NO_SHARE
        self._closed: list[Closed] = []
        self.left = self.ends_at = self.base = self.reset_at = 0
        self.low = -1
        self.is_asking = False
        self.refused_until = self.wait_until = self._refused_cost = 0
        self._spent = self._measured = self._measured_at = self._last_want = 0

    # -- spending --------------------------------------------------------------------------------------------------

    def has(self, cost: int, now: int) -> bool:
        """Whether that much may be spent now; turns to the next share where this one does not do."""
        self._drop_ended(now)
        if self.left < cost and self._next is not NO_SHARE:
            self._turn()
        return self.left >= cost

    def spend(self, cost: int) -> int:
        """Spend what is there; returns what `undo` wants to know."""
        self.left -= cost
        return self._share.stamp

    def undo(self, cost: int, stamp: int) -> None:
        """Nothing was admitted for it after all. What was told to remain meanwhile is not raised again."""
        if stamp == self._share.stamp:
            self.left += cost
            self.base -= cost
        else:
            self._spent -= cost
            self._closed.append(Closed(stamp, 0, cost))

    def is_refused(self, cost: int, now: int) -> bool:
        """Whether it is known that the shared window has no room for so much."""
        return now < self.refused_until and cost >= self._refused_cost

    def known(self, now: int) -> tuple[int, int]:
        """What remains as far as is known, and the seconds until something comes back."""
        reset = self.reset_at - now
        return max(0, self.base + self.left), max(1, -(-reset // MICROSECONDS)) if self.reset_at else 0

    # -- asking ----------------------------------------------------------------------------------------------------

    def want(self, need: int, now: int) -> Want:
        """What to ask for: that much for a request, and a share unless one is there or already asked for."""
        self._drop_ended(now)
        self.low = -1
        ahead = 0 if self.is_asking or self._next is not NO_SHARE else self._demand(now)
        self.is_asking = self.is_asking or ahead > 0
        return self._want(need, ahead)

    def refill(self, now: int) -> Want | None:
        """The same for no request, where a share is worth a call of its own."""
        self.low = -1
        if self.is_asking or self._next is not NO_SHARE:
            return None
        ahead = self._demand(now)
        if ahead < 2 * self._limit.cost:
            return None  # as many calls as without, and one more to give it back
        self.is_asking = True
        return self._want(0, ahead)

    def _want(self, need: int = 0, ahead: int = 0) -> Want:
        closed, self._closed = tuple(self._closed), []
        return Want(self._limit, self._terms, self._partition, need, ahead, closed)

    def _demand(self, now: int) -> int:
        """Half of what would be spent in a share's life at the pace since this was last asked, growing by doubling.

        Nothing at first: a partition of which one request comes is not worth a share.
        """
        total = self._spent + self._share.units - self.left
        spent, elapsed = total - self._measured, now - self._measured_at
        self._measured, self._measured_at = total, now
        cost = self._limit.cost
        wanted = spent * self._terms.life // (2 * max(1, elapsed))
        wanted = min(wanted, 2 * self._last_want + cost, self._terms.most)
        self._last_want = max(0, wanted - wanted % cost)
        return self._last_want

    def settle(self, now: int, *, is_last: bool = False) -> Want | None:
        """What there is to give back and is not yet; with `is_last` everything that is held."""
        self._drop_ended(now)
        if is_last:
            self._turn()
            self._turn()
        if not any(closed.unused for closed in self._closed):
            return None
        return self._want()

    # -- answers ---------------------------------------------------------------------------------------------------

    def lost(self, want: Want) -> None:
        """No answer came, and what was charged is unknown: nothing of it may be spent."""
        if want.ahead:
            self.is_asking = False

    def learn(self, want: Want, standing: Standing, stamp: int, times: tuple[int, int], is_admitted: bool) -> int:
        """Take in an answer; `times` are when was asked and now. Returns when the share in it ends, 0 without one."""
        asked_at, now = times
        told = self.base + self.left if now < self.reset_at else self._limit.rate.capacity
        if want.ahead:
            self.is_asking = False
        ends_at = self._receive(standing, stamp, asked_at, now) if standing.ahead else 0
        if is_admitted:
            self._spent += want.need
            self.refused_until = 0
        elif standing.wait_seconds:
            # `reset` is exact, `wait_seconds` rounded up: too much where the period is a second.
            again = max(standing.reset, (standing.wait_seconds - 1) * MICROSECONDS)
            # What is lent now is spent or given back within a life: ask again then.
            self.refused_until = asked_at + min(again, self._terms.life)
            self.wait_until = now + standing.wait_seconds * MICROSECONDS
            self._refused_cost = want.need
        self.reset_at = now + standing.reset if standing.reset else 0
        # Nothing is said to have come back before the moment that was told for it.
        if is_admitted:
            told -= want.need
        self.base = min(told, standing.left + self.left + self._next.units) - self.left
        return ends_at

    def _receive(self, standing: Standing, stamp: int, asked_at: int, now: int) -> int:
        life = self._terms.life
        if self._limit.rate.kind == "fixed":
            life = min(life, standing.reset)
        # From before it was taken, so that it ends here before it does there, wherever clocks stand.
        share = Share(stamp, standing.ahead, asked_at + life - life // DRIFT_PART)
        if now >= share.ends_at:
            self._closed.append(Closed(stamp, share.units, share.units))
            return share.ends_at
        self._drop_ended(now)
        self._next = share
        if not self.left:
            self._turn()
        return share.ends_at

    # -- from one share to the next ----------------------------------------------------------------------------------

    def _drop_ended(self, now: int) -> None:
        while self._share is not NO_SHARE and now >= self.ends_at:
            self._turn()

    def _turn(self) -> None:
        """Close this share; the next takes its place. What remains for the client stays the same."""
        share, following = self._share, self._next
        if share is not NO_SHARE:
            self._closed.append(Closed(share.stamp, share.units, self.left))
            self._spent += share.units - self.left
        self.base += self.left - following.units
        self._share, self._next = following, NO_SHARE
        self.left, self.ends_at = following.units, following.ends_at
        self.low = following.units // REFILL_PART if following is not NO_SHARE else -1
