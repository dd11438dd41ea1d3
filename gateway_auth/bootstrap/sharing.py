"""Opens what is shared, and asks Redis, where the configuration has it: only then is a driver imported."""

from __future__ import annotations

from gateway_auth.bootstrap.shared import Shared, Truth
from gateway_auth.config import Configuration
from gateway_auth.config.configuration import RedisSettings
from gateway_auth.errors import ConfigError
from gateway_auth.ports import Clock


def open_shared(configuration: Configuration, store: Truth, clock: Clock) -> Shared | None:
    """What is shared; None without `[redis]`. Raises ConfigError where it cannot be."""
    settings = configuration.redis
    if settings is None:
        return None
    try:
        from gateway_auth.bootstrap.redis import open_parts
    except ImportError as error:
        raise _needs_libraries(error) from error
    return open_parts(settings, configuration, store, clock)


def refuse_unusable(settings: RedisSettings | None) -> None:
    """Raises ConfigError for a `[redis]` that no gateway could start with: before anything is started."""
    if settings is None:
        return
    try:
        from gateway_auth.adapters.redis.connection import RedisConnection
    except ImportError as error:
        raise _needs_libraries(error) from error
    RedisConnection(settings.url)


async def tell_of_change(settings: RedisSettings) -> None:
    """Tell all workers that something was changed, as well as that can be done quickly. Never raises."""
    try:
        from gateway_auth.bootstrap.redis import tell

        await tell(settings)
    except (ImportError, ConfigError):
        # Who serves with this configuration is told what is wrong with it; the change is made.
        return


async def is_redis_there(settings: RedisSettings) -> bool:
    """Whether Redis answers now. Never raises."""
    try:
        from gateway_auth.bootstrap.redis import answers

        return await answers(settings)
    except (ImportError, ConfigError):
        return False


def _needs_libraries(error: ImportError) -> ConfigError:
    return ConfigError(f"[redis] needs more libraries: pip install 'gateway-auth[redis]' ({error})")
