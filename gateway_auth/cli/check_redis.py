"""What `doctor` finds out about Redis: can it be reached and counted in, and what should be changed there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gateway_auth.cli.checks import Check
from gateway_auth.config import Configuration
from gateway_auth.config.addresses import is_loopback
from gateway_auth.config.configuration import RedisSettings
from gateway_auth.errors import ConfigError, RedisUnavailable

if TYPE_CHECKING:
    from gateway_auth.adapters.redis.examination import Findings

ANSWER_SECONDS = 2.0
"""How long an answer may take here; what `timeout_seconds` makes of it is told."""
CLOCK_SECONDS = 1.0


async def check_redis(configuration: Configuration) -> list[Check]:
    """A line for each thing worth knowing; none without `[redis]`."""
    settings = configuration.redis
    if settings is None:
        return []
    try:
        return await _look(settings)
    except ImportError as error:
        return [Check("redis", "failed", f"needs more libraries: pip install 'gateway-auth[redis]' ({error})")]
    except ConfigError as error:
        return [Check("redis", "failed", str(problem)) for problem in error.problems]


async def _look(settings: RedisSettings) -> list[Check]:
    from gateway_auth.adapters.redis.connection import RedisConnection
    from gateway_auth.adapters.redis.examination import examine
    from gateway_auth.adapters.redis.limit_store import RedisLimitStore

    redis = RedisConnection(settings.url, timeout_seconds=ANSWER_SECONDS)
    checks = []
    is_exposed = not redis.address.is_tls and not all(is_loopback(end.host) for end in redis.address.endpoints)
    if is_exposed:
        advice = "goes over the network in the clear, and so does its password: write rediss://"
        checks.append(Check("redis tls", "warning", f"{redis.address} {advice}"))
    try:
        found = await examine(redis, RedisLimitStore(redis, settings.key_prefix).place)
    except RedisUnavailable as error:
        advice = "limits do what on_unavailable says until it is there"
        return [Check("redis", "failed", f"{redis.address}: {error}; {advice}"), *checks]
    finally:
        await redis.close()
    return [*told_of(found, str(redis.address), settings.timeout_seconds), *checks]


def told_of(found: Findings, where: str, timeout_seconds: float) -> Iterator[Check]:
    """The lines about a server that answered."""
    name = f"{found.product} {found.version}".strip() or "a server that may not be asked for its version (INFO)"
    trip = f"answers in {found.trip_seconds * 1000:.1f} ms"
    if found.is_too_old:
        yield Check("redis", "failed", f"{where}: {name} is older than 6.2, which the scripts need")
    elif found.trip_seconds > timeout_seconds / 2:
        advice = f"redis.timeout_seconds is {timeout_seconds}: raise it, or requests will be counted without Redis"
        yield Check("redis", "warning", f"{where}: {name} {trip}; {advice}")
    else:
        yield Check("redis", "ok", f"{where}: {name} {trip}")
    if found.eviction is not None:
        yield Check("redis eviction", "warning", f"it {found.eviction}")
    if abs(found.ahead_seconds) > CLOCK_SECONDS:
        words = f"its clock is {found.ahead_seconds:+.1f} s from this machine's; set both by the same time service"
        yield Check("redis clock", "warning", words)
