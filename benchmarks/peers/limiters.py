"""Two limits per request by other libraries, as their documentation shows it: no keys, no permissions.

Each counts at a URL: redis://… or memory://, which is in the process.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from limits import parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.util import get_remote_address
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from throttled.asyncio import MemoryStore, RateLimiterType, RedisStore, Throttled, rate_limiter

Endpoint = Callable[[Request], Awaitable[Response]]

MEMORY = "memory://"
PER_KEY, PER_ADDRESS = "100000000/minute", "1000000000/hour"


def limits_app(url: str, endpoint: Endpoint, path: str) -> Starlette:
    """`limits`: asyncio and redis-py, sliding window counters."""
    storage = MemoryStorage() if url == MEMORY else RedisStorage(f"async+{url}", implementation="redispy")
    limiter = SlidingWindowCounterRateLimiter(storage)
    per_key, per_address = parse(PER_KEY), parse(PER_ADDRESS)

    async def limited(request: Request) -> Response:
        if not await limiter.hit(per_key, "key", _key_of(request)):
            return JSONResponse({}, 429)
        if not await limiter.hit(per_address, "address", get_remote_address(request)):
            return JSONResponse({}, 429)
        return await endpoint(request)

    return Starlette(routes=[Route(path, limited)])


def slowapi_app(url: str, endpoint: Endpoint, path: str) -> Starlette:
    """slowapi: two decorators over the fixed windows it takes unless told otherwise; it waits in the event loop."""
    limiter = Limiter(key_func=get_remote_address, storage_uri=url)

    @limiter.limit(PER_KEY, key_func=_key_of)
    @limiter.limit(PER_ADDRESS)
    async def limited(request: Request) -> Response:
        return await endpoint(request)

    app = Starlette(routes=[Route(path, limited)])
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)  # type: ignore[arg-type]  # as they say
    return app


def throttled_app(url: str, endpoint: Endpoint, path: str) -> Starlette:
    """throttled-py: asyncio, sliding windows."""
    store = MemoryStore() if url == MEMORY else RedisStore(server=url)
    sliding = RateLimiterType.SLIDING_WINDOW.value
    per_key = Throttled(using=sliding, quota=rate_limiter.per_min(100_000_000), store=store)
    per_address = Throttled(using=sliding, quota=rate_limiter.per_hour(1_000_000_000), store=store)

    async def limited(request: Request) -> Response:
        if (await per_key.limit(f"key:{_key_of(request)}")).limited:
            return JSONResponse({}, 429)
        if (await per_address.limit(f"address:{get_remote_address(request)}")).limited:
            return JSONResponse({}, 429)
        return await endpoint(request)

    return Starlette(routes=[Route(path, limited)])


def _key_of(request: Request) -> str:
    return request.headers["x-api-key"]
