"""Slots counted in Redis, by what each worker says it holds. It decides what is sent and what the reply means.

The counting itself is done by `slots.lua`. Connections, timeouts and outages are others' business.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from msgspec import ValidationError, convert
from msgspec.msgpack import Encoder

from gateway_auth.adapters.redis.script import ScriptCaller, load
from gateway_auth.core.slots import SlotAnswer, SlotWish
from gateway_auth.errors import RedisUnavailable

LEASE_SECONDS = 30.0
"""A worker that dies keeps its slots for so long at most, and one that cannot reach Redis for longer loses them."""


class RedisSlotTable:
    """`ports.SlotTable` in Redis or Valkey, for one worker.

    `place` is what all keys begin with: a hash tag of theirs, so that the slots of one request are lent in one step
    wherever Redis is a cluster (docs/decisions/0010-redis-limits.md).
    """

    def __init__(self, redis: ScriptCaller, place: bytes, lease_seconds: float = LEASE_SECONDS) -> None:
        self.lease_seconds = lease_seconds
        self._redis = redis
        self._place = place
        self._script = load("slots.lua")
        self._lease = b"%d" % (lease_seconds * 1000)
        self._id = secrets.token_hex(8).encode()
        self._calls = 0
        self._encoder = Encoder()

    async def tell(self, held: Mapping[bytes, int], wishes: Sequence[SlotWish]) -> Sequence[SlotAnswer]:
        """One call for all of these."""
        self._calls += 1
        counts = dict(held)
        for wish in wishes:
            for name in wish.names:
                counts.setdefault(name, -1)
        places = {name: place for place, name in enumerate(counts, 1)}
        asked = [
            [number for name, room in zip(wish.names, wish.rooms, strict=True) for number in (places[name], room)]
            for wish in wishes
        ]
        message = self._encoder.encode((list(counts.values()), asked))
        keys = [self._place + name for name in counts]
        reply = await self._redis.call(self._script, keys, (self._id, b"%d" % self._calls, self._lease, message))
        try:
            entries = convert(reply, list[tuple[int, ...]])
            return [_answer(wish, entry) for wish, entry in zip(wishes, entries, strict=True)]
        except (ValidationError, ValueError) as error:
            raise RedisUnavailable(f"Redis answered a script with something else: {error}", "garbage") from error


def _answer(wish: SlotWish, entry: tuple[int, ...]) -> SlotAnswer:
    """What the script's numbers say. Raises ValueError if they are not of its kind."""
    is_granted, *left = entry
    if is_granted not in (0, 1) or len(left) != len(wish.names) or min(left) < 0:
        raise ValueError(f"{len(entry)} numbers for {len(wish.names)} slots")
    return SlotAnswer(is_granted == 1, tuple(left))
