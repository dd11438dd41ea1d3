"""Whether Redis may throw away what it was given to count. It reads one setting and changes none."""

from __future__ import annotations

from typing import Protocol

from gateway_auth.adapters.redis.link import Command, Reply
from gateway_auth.errors import RedisUnavailable

KEEPS_ALL = "noeviction"


class Redis(Protocol):
    """What is used of RedisConnection."""

    async def run_on(self, key: bytes | None, command: Command, *, seconds: float | None = None) -> Reply: ...


async def eviction_warning(redis: Redis, key: bytes) -> str | None:
    """What an operator should hear of the server that has `key`; None where all is well. Raises RedisUnavailable.

    Every counter has an expiry, so that the policies which spare what has none spare no counter.
    """
    try:
        reply = await redis.run_on(key, ("INFO", "memory"))
    except RedisUnavailable as error:
        if error.kind not in ("noperm", "error"):
            raise
        return "may not be asked whether it evicts counters (INFO); see that its maxmemory-policy is noeviction"
    fields = fields_of(reply)
    policy = fields.get("maxmemory_policy") or KEEPS_ALL
    if policy == KEEPS_ALL:
        return None
    when = "once it has a maxmemory and reaches it" if fields.get("maxmemory") == "0" else "when it reaches maxmemory"
    return (
        f"evicts counters {when} (maxmemory-policy {policy[:32]}), and limits are then exceeded;"
        " set maxmemory-policy noeviction"
    )


def fields_of(reply: Reply) -> dict[str, str]:
    """The fields of an answer to INFO; none of anything else."""
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else ""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in pairs}
