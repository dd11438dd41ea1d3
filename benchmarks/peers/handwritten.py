"""What teams write: a BaseHTTPMiddleware that looks each key up in Redis and counts by `limits` there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable

from limits import parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis import Redis as SyncRedis
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from benchmarks.peers.limiters import PER_ADDRESS, PER_KEY, Endpoint

NEEDED = {"orders:read", "orders:export"}


class KeyMiddleware(BaseHTTPMiddleware):
    """A key, its scopes, and two limits."""

    def __init__(self, app: ASGIApp, url: str) -> None:
        super().__init__(app)
        self._redis: Redis = Redis.from_url(url)
        self._limiter = SlidingWindowCounterRateLimiter(RedisStorage(f"async+{url}", implementation="redispy"))
        self._per_key, self._per_address = parse(PER_KEY), parse(PER_ADDRESS)

    async def dispatch(self, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        """Admit or refuse."""
        text = request.headers.get("x-api-key", "")
        found = await self._redis.get(_name_of(text))
        if found is None:
            return JSONResponse({"detail": "invalid key"}, 401)
        key = json.loads(found)
        if not set(key["scopes"]) >= NEEDED:
            return JSONResponse({"detail": "missing scope"}, 403)
        address = request.client.host if request.client else ""
        if not await self._limiter.hit(self._per_key, "key", key["id"]):
            return JSONResponse({"detail": "too many requests"}, 429)
        if not await self._limiter.hit(self._per_address, "address", address):
            return JSONResponse({"detail": "too many requests"}, 429)
        request.state.key = key
        return await call_next(request)


def handwritten_app(url: str, key: str, endpoint: Endpoint, path: str) -> Starlette:
    """The app behind it, and the key in Redis."""
    with SyncRedis.from_url(url) as redis:
        redis.set(_name_of(key), json.dumps({"id": "shop-1", "scopes": sorted(NEEDED)}))
    return Starlette(routes=[Route(path, endpoint)], middleware=[Middleware(KeyMiddleware, url=url)])


def _name_of(key: str) -> str:
    return f"key:{hashlib.sha256(key.encode()).hexdigest()}"
