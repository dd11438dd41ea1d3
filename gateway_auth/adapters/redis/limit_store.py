"""Limits counted in Redis: exact on any number of nodes. It decides what is asked and what the answer means.

The counting itself is done by `windows.lua` and `limits.lua`. Connections, timeouts and outages are others' business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Sequence
from typing import Annotated

from msgspec import Meta, Struct, ValidationError, convert
from msgspec.msgpack import Encoder

from gateway_auth.adapters.redis.batching import Batcher
from gateway_auth.adapters.redis.script import ScriptCaller, load
from gateway_auth.core.cachekey import window_family, window_name
from gateway_auth.core.limits import Limit, LimitOutcome, LimitSet
from gateway_auth.core.memo import Memo
from gateway_auth.core.rates import LONGEST_MONTH_SECONDS
from gateway_auth.errors import RedisUnavailable
from gateway_auth.ports import LimitFallback

MAX_NAMES = MAX_CHECKS = 8192
"""Names of windows remembered, a digest for each would be a tenth of what an exact limit costs; and what was asked."""
MAX_BATCH = 64
"""How many windows one call touches at most, as Redis does nothing else meanwhile: well below a millisecond."""

_KINDS = {"sliding": 1, "bucket": 2, "fixed": 3}
_CALENDAR_MONTH = 4


class _Reply(Struct, frozen=True, array_like=True):
    """Of the script, by itself in an array: msgspec remembers how a Struct is read, and of other types it does not."""

    entries: list[tuple[Annotated[int, Meta(ge=0)], ...]]


Terms = tuple[int, int, int, int, int]
"""A limit as the script wants it: kind, count, period in seconds, burst, cost."""


class _Check(Struct, frozen=True, eq=False):
    """What one request asks: one of these for all that ask the same. `keys` are of its windows, in their order."""

    limits: LimitSet
    partitions: tuple[str | int, ...]
    keys: list[bytes]


class RedisLimitStore:
    """`ports.LimitStore` in Redis or Valkey. Where it is unknown what was charged `fallback` has the outcome, which
    also hears what was admitted; without one, RedisUnavailable is raised.

    All windows lie in one hash slot, so that those of one request are taken in one atomic step wherever Redis is
    a cluster (docs/decisions/0010-redis-limits.md).
    """

    def __init__(self, redis: ScriptCaller, key_prefix: str = "gwa", fallback: LimitFallback | None = None) -> None:
        if "{" in key_prefix or "}" in key_prefix:
            raise ValueError(f"key prefix {key_prefix!r}: braces would move the hash slot")
        self._redis = redis
        self._fallback = fallback
        self._script = load("windows.lua", "limits.lua")
        self._head = f"{key_prefix}:{{{key_prefix}:limits}}:".encode()
        self._families: Memo[LimitSet, list[str]] = Memo(_families_of)
        self._names: Memo[tuple[str, str | int], bytes] = Memo(self._name, MAX_NAMES)
        self._checks: Memo[tuple[LimitSet, tuple[str | int, ...]], _Check] = Memo(self._check, MAX_CHECKS)
        self._terms: Memo[LimitSet, list[Terms]] = Memo(_terms_of)
        self._encoder = Encoder()
        self._batcher: Batcher[_Check, LimitOutcome] = Batcher(
            self._take_together, _size_of, MAX_BATCH, self._otherwise
        )

    def take_now(self, _limits: LimitSet, _partitions: Sequence[str | int]) -> None:
        """Never known without waiting."""

    def take(self, limits: LimitSet, partitions: Sequence[str | int]) -> Awaitable[LimitOutcome]:
        """All limits or none, together with whoever else waits."""
        return self._batcher.put(self._checks[limits, tuple(partitions)])

    def _check(self, asked: tuple[LimitSet, tuple[str | int, ...]]) -> _Check:
        limits, partitions = asked
        windows = zip(self._families[limits], partitions, strict=True)
        return _Check(limits, partitions, [self._names[window] for window in windows])

    def _name(self, window: tuple[str, str | int]) -> bytes:
        return self._head + window_name(*window)

    @property
    def place(self) -> bytes:
        """A key of the hash slot that all windows lie in."""
        return self._head

    async def close(self) -> None:
        """Give up what waits."""
        await self._batcher.close()

    async def _take_together(self, checks: list[_Check]) -> list[LimitOutcome]:
        """One call for all of these."""
        keys: dict[bytes, int] = {}
        sets: dict[LimitSet, int] = {}
        spelled: dict[_Check, list[int]] = {}
        for check in checks:
            if check not in spelled:
                spelled[check] = [
                    sets.setdefault(check.limits, len(sets) + 1),
                    *[keys.setdefault(key, len(keys) + 1) for key in check.keys],
                ]
        asked = [spelled[check] for check in checks]
        message = self._encoder.encode(([self._terms[limits] for limits in sets], asked))
        reply = await self._redis.call(self._script, list(keys), (b"", message))
        try:
            entries = convert((reply,), _Reply).entries
            outcomes = [
                LimitOutcome(True, entry) if len(entry) == 2 * len(check.keys) else _refused(check.limits, entry)
                for check, entry in zip(checks, entries, strict=True)
            ]
        except (ValidationError, ValueError) as error:
            raise RedisUnavailable(f"Redis answered a script with something else: {error}", "garbage") from error
        if self._fallback is not None:
            admitted = Counter([check for check, outcome in zip(checks, outcomes, strict=True) if outcome.is_admitted])
            self._fallback.answered([(check.limits, check.partitions, times) for check, times in admitted.items()])
        return outcomes

    def _otherwise(self, check: _Check, error: Exception) -> LimitOutcome:
        if self._fallback is None or not isinstance(error, RedisUnavailable):
            raise error
        return self._fallback.instead(check.limits, check.partitions, error.kind)


def _size_of(check: _Check) -> int:
    return len(check.keys)


def _families_of(limits: LimitSet) -> list[str]:
    return [window_family(limit) for limit in limits.limits]


def _terms_of(limits: LimitSet) -> list[Terms]:
    return [_spell(limit) for limit in limits.limits]


def _spell(limit: Limit) -> Terms:
    rate = limit.rate
    if rate.is_calendar_month:
        return _CALENDAR_MONTH, rate.count, LONGEST_MONTH_SECONDS, rate.burst, limit.cost
    return _KINDS[rate.kind], rate.count, rate.period_seconds, rate.burst, limit.cost


def _refused(limits: LimitSet, entry: tuple[int, ...]) -> LimitOutcome:
    """What the script's numbers say. Raises ValueError if there are too many or too few."""
    width = 2 * len(limits.limits)
    waits = entry[width:]
    violated = tuple(limit.id for limit, wait in zip(limits.limits, waits, strict=True) if wait)
    return LimitOutcome(False, entry[:width], max(1, *waits), violated)
