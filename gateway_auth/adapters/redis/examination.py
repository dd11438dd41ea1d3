"""What a Redis server says of itself and how far away it is. It changes nothing there."""

from __future__ import annotations

import time
from statistics import median

from msgspec import Struct

from gateway_auth.adapters.redis.connection import RedisConnection
from gateway_auth.adapters.redis.eviction import eviction_warning, fields_of
from gateway_auth.adapters.redis.link import Reply
from gateway_auth.errors import RedisUnavailable

TRIPS = 9


class Findings(Struct, frozen=True):
    """`product` and `version` are empty where the user may not ask; `ahead_seconds` is its clock less ours."""

    product: str
    version: str
    ahead_seconds: float
    trip_seconds: float
    eviction: str | None

    @property
    def is_too_old(self) -> bool:
        """Whether it is known to be older than Redis 6.2; every Valkey is newer."""
        numbers = [int(part) for part in self.version.split(".")[:2] if part.isascii() and part.isdecimal()]
        return self.product == "Redis" and len(numbers) == 2 and numbers < [6, 2]


async def examine(redis: RedisConnection, key: bytes) -> Findings:
    """Look at the server that has `key`. Raises RedisUnavailable."""
    product, version = await _version(redis, key)
    trips, ahead = [], []
    for _ in range(TRIPS):
        began, asked_at = time.perf_counter(), time.time()
        told = _time_of(await redis.run_on(key, ("TIME",)))
        trips.append(time.perf_counter() - began)
        ahead.append(told - asked_at - trips[-1] / 2)
    return Findings(product, version, median(ahead), median(trips), await eviction_warning(redis, key))


async def _version(redis: RedisConnection, key: bytes) -> tuple[str, str]:
    try:
        fields = fields_of(await redis.run_on(key, ("INFO", "server")))
    except RedisUnavailable as error:
        if error.kind not in ("noperm", "error"):
            raise
        return "", ""
    if "valkey_version" in fields:
        return "Valkey", fields["valkey_version"][:32]
    return ("Redis", fields["redis_version"][:32]) if "redis_version" in fields else ("", "")


def _time_of(reply: Reply) -> float:
    match reply:
        case [bytes(seconds), bytes(micros)] if seconds.isdigit() and micros.isdigit() and len(seconds) < 16:
            return int(seconds) + int(micros[:6]) / 1e6
        case _:
            raise RedisUnavailable("Redis answered what is not its protocol", "garbage")
