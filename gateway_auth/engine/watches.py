"""Connections that stay open after they were admitted, and when each has to be judged again.

It decides when: something changed that may be theirs, their credential ends, or nobody has read the change log lately.
What is decided then is `standing`'s business, and how a connection ends that of whoever opened the watch.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from itertools import islice
from math import inf

from gateway_auth.core.decision import Allow, Deny, Reason
from gateway_auth.core.principal import Principal
from gateway_auth.core.request import RequestFacts
from gateway_auth.engine.changes import ChangeFollower
from gateway_auth.engine.standing import Standing
from gateway_auth.ports import ChangeBatch, Clock

logger = logging.getLogger("gateway_auth.watches")

TICK_SECONDS = 0.5
"""How late an idle connection may be found to have outlived its credential. What flows is looked at itself."""
ASKED_AT_ONCE = 64

OnEnd = Callable[[Deny], None]


class Watch:
    """One open connection. While `is_sure` its frames may pass; else `Watches.ask` has to be awaited first."""

    __slots__ = ("_on_end", "_watches", "denial", "doubts", "facts", "principal", "until")

    def __init__(self, watches: Watches, facts: RequestFacts, principal: Principal, on_end: OnEnd) -> None:
        self._watches = watches
        self._on_end = on_end
        self.facts = facts
        self.principal = principal
        # Doubted from the start: what it was admitted by may have changed while its limits were waited for.
        self.doubts = 1
        self.until = -inf
        self.denial: Deny | None = None

    def is_sure(self) -> bool:
        """Whether it may go on without anybody being asked."""
        watches = self._watches
        return not self.doubts and watches.now() < self.until and watches.monotonic() < watches.changes.serve_until

    async def may_go_on(self) -> bool:
        """Whether it may, as judged now."""
        if self.denial is None:
            await self._watches.ask(self)
        return self.denial is None

    def end(self, denial: Deny) -> None:
        """It may not go on. Said once."""
        if self.denial is None:
            self.denial = denial
            self.doubts += 1
            self.close()
            self._on_end(denial)

    def close(self) -> None:
        """The connection has ended by itself."""
        self._watches.discard(self)


class Watches:
    """All watched connections of one gateway: as many as the server holds open. One timer while there are any."""

    def __init__(self, standing: Standing, changes: ChangeFollower, clock: Clock) -> None:
        self._standing = standing
        self.changes = changes
        self.now, self.monotonic = clock.now, clock.monotonic
        self._open: set[Watch] = set()
        self._doubted: dict[Watch, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._round: asyncio.Task[None] | None = None

    def open(self, facts: RequestFacts, principal: Principal, on_end: OnEnd) -> Watch:
        """Watch what was just admitted as `principal`; `on_end` is called with the refusal when that is over."""
        watch = Watch(self, facts, principal, on_end)
        self._open.add(watch)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)
        return watch

    def discard(self, watch: Watch) -> None:
        """Watch it no longer."""
        self._open.discard(watch)
        self._doubted.pop(watch, None)

    def __len__(self) -> int:
        return len(self._open)

    def hear(self, batch: ChangeBatch) -> None:
        """What changed, told after it was forgotten: whoever it may be about is doubted from this moment."""
        if not self._open:
            return
        touched = self._open if not batch.is_complete else _touched(self._open, batch)
        for watch in touched:
            self._doubt(watch)
        self._start_round()

    async def ask(self, watch: Watch) -> None:
        """Judge it anew; ends it where it would not be admitted now."""
        doubts = watch.doubts
        try:
            decision = self._standing.begin(watch.facts)
            if not isinstance(decision, Allow):
                decision = await self._standing.resume(decision)
        except Exception:
            # A bug must not let pass what could not be judged.
            logger.exception("an open connection could not be judged anew")
            decision = Deny(Reason.DEPENDENCY_UNAVAILABLE)
        if not isinstance(decision, Allow):
            watch.end(decision)
            return
        watch.until = self._standing.until(watch.facts, decision)
        if watch.doubts == doubts:  # What was heard while this waited is not answered by it.
            watch.doubts = 0
            self._doubted.pop(watch, None)

    async def stop(self) -> None:
        """Ask no more."""
        self._open.clear()
        self._doubted.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._round is not None:
            self._round.cancel()
            await asyncio.gather(self._round, return_exceptions=True)

    def _doubt(self, watch: Watch) -> None:
        watch.doubts += 1
        self._doubted[watch] = None

    def _tick(self) -> None:
        self._timer = None
        for watch in self._open:
            if not watch.is_sure():
                self._doubted[watch] = None
        self._start_round()
        if self._open:
            self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def _start_round(self) -> None:
        if self._doubted and (self._round is None or self._round.done()):
            self._round = asyncio.get_running_loop().create_task(self._ask_doubted(), name="gateway-auth watches")

    async def _ask_doubted(self) -> None:
        """All that are doubted, some at a time, so that requests get their turn in between."""
        while self._doubted:
            some = list(islice(self._doubted, ASKED_AT_ONCE))
            for watch in some:
                del self._doubted[watch]
            await asyncio.gather(*(self.ask(watch) for watch in some if watch.denial is None))


def _touched(watches: set[Watch], batch: ChangeBatch) -> list[Watch]:
    """Those a change may be about: of that key, of that app, or, for a token that was taken back, of any token."""
    names: set[tuple[str, str | None]] = {(change.kind, change.object_id) for change in batch.changes}
    is_any_token = any(change.kind == "token" for change in batch.changes)
    return [watch for watch in watches if _is_about(watch.principal, names, is_any_token)]


def _is_about(principal: Principal, names: set[tuple[str, str | None]], is_any_token: bool) -> bool:
    if principal.key_id is None:
        return is_any_token
    return ("key", principal.key_id) in names or ("app", principal.app_id) in names
