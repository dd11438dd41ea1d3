"""fastapi-limiter: two limits in the process by its dependency, as its README shows it. No keys, no permissions."""

from __future__ import annotations

from fastapi import Depends, FastAPI
from fastapi_limiter.depends import RateLimiter
from pyrate_limiter import Duration, Limiter, Rate
from starlette.requests import Request


async def by_key(request: Request) -> str:
    """Who a limit counts."""
    return request.headers["x-api-key"]


def app() -> FastAPI:
    """For uvicorn's --factory."""
    per_key = RateLimiter(limiter=Limiter(Rate(100_000_000, Duration.MINUTE)), identifier=by_key)
    per_address = RateLimiter(limiter=Limiter(Rate(1_000_000_000, Duration.HOUR)))
    api = FastAPI()

    @api.get("/v1/orders/{id}", dependencies=[Depends(per_key), Depends(per_address)])
    async def order(id: str) -> dict[str, str]:
        return {"id": id, "item": "tea"}

    return api
