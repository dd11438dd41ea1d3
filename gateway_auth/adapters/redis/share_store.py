"""Shares of limits lent by Redis. It decides what is asked and what the answer means; the rest is `leases.lua`'s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, ValidationError, convert
from msgspec.msgpack import Encoder

from gateway_auth.adapters.redis.batching import Batcher
from gateway_auth.adapters.redis.limit_store import MAX_BATCH
from gateway_auth.adapters.redis.script import ScriptCaller, load
from gateway_auth.core.cachekey import lent_family, window_family, window_name
from gateway_auth.core.lease import Grant, Standing, Want
from gateway_auth.core.rates import LONGEST_MONTH_SECONDS
from gateway_auth.errors import RedisUnavailable

_KINDS = {"sliding": 1, "bucket": 2, "fixed": 3}
_CALENDAR_MONTH = 4
_NUMBERS_EACH = 4

_Number = Annotated[int, Meta(ge=0)]

Terms = tuple[int, int, int, int, int, int, int]
"""A limit and how it is lent, as the script wants it: kind, count, period in seconds, burst, unit, life, most."""
Wants = Sequence[Want]


class RedisShareStore:
    """`ports.ShareStore` in Redis or Valkey, over the windows of the `RedisLimitStore` whose `place` this is."""

    def __init__(self, redis: ScriptCaller, place: bytes) -> None:
        self._redis = redis
        self._script = load("windows.lua", "leases.lua")
        self._head = place
        self._encoder = Encoder()
        self._batcher: Batcher[Wants, Grant] = Batcher(self._take_together, _size_of, MAX_BATCH)

    async def take(self, wants: Wants) -> Grant:
        """All needs or none, together with whoever else waits."""
        return await self._batcher.put(wants)

    async def close(self) -> None:
        """Give up what waits."""
        await self._batcher.close()

    async def _take_together(self, questions: list[Wants]) -> list[Grant]:
        """One call for all of these."""
        message = _Message(self._head)
        asked = [[message.spell(want) for want in wants] for wants in questions]
        packed = self._encoder.encode((list(message.terms), asked))
        reply = await self._redis.call(self._script, list(message.keys), (b"", packed))
        try:
            stamp, *entries = convert(reply, list[_Number | tuple[_Number, ...]])
            return [_grant(wants, stamp, entry) for wants, entry in zip(questions, entries, strict=True)]
        except (ValidationError, ValueError) as error:
            raise RedisUnavailable(f"Redis answered a script with something else: {error}", "garbage") from error


class _Message:
    """The keys and terms of one call, each once and numbered from 1."""

    def __init__(self, head: bytes) -> None:
        self.keys: dict[bytes, int] = {}
        self.terms: dict[Terms, int] = {}
        self._head = head

    def spell(self, want: Want) -> list[int]:
        """A want as the script reads it."""
        limit, terms = want.limit, want.terms
        window = self._number(window_family(limit), want.partition)
        lent = self._number(lent_family(limit, terms.life), want.partition) if _is_lending(want) else 0
        spelled = [self.terms.setdefault(_terms(want), len(self.terms) + 1), window, lent, want.need, want.ahead]
        for closed in want.closed:
            spelled += (closed.stamp, closed.lent, closed.unused)
        return spelled

    def _number(self, family: str, partition: str | int) -> int:
        return self.keys.setdefault(self._head + window_name(family, partition), len(self.keys) + 1)


def _is_lending(want: Want) -> bool:
    return bool(want.ahead or want.closed)


def _size_of(wants: Wants) -> int:
    return sum(2 if _is_lending(want) else 1 for want in wants)


def _terms(want: Want) -> Terms:
    limit, lent = want.limit, want.terms
    rate = limit.rate
    kind, period = _KINDS[rate.kind], rate.period_seconds
    if rate.is_calendar_month:
        kind, period = _CALENDAR_MONTH, LONGEST_MONTH_SECONDS
    return kind, rate.count, period, rate.burst, limit.cost, lent.life, lent.most


def _grant(wants: Wants, stamp: object, entry: object) -> Grant:
    """What the script's numbers say. Raises ValueError for other numbers than were asked for."""
    if not isinstance(stamp, int) or not isinstance(entry, tuple) or len(entry) != _NUMBERS_EACH * len(wants):
        raise ValueError(f"{entry!r} to {len(wants)} questions")
    each = zip(*(entry[start::_NUMBERS_EACH] for start in range(_NUMBERS_EACH)), strict=True)
    standings = tuple(Standing(*numbers) for numbers in each)
    if any(told.ahead > want.ahead for told, want in zip(standings, wants, strict=True)):
        raise ValueError(f"more was lent than asked for: {entry!r}")
    return Grant(stamp, standings)
