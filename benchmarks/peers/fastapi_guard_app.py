"""fastapi-guard: an API key by a verifier of ours, a network, a referrer and a limit, by middleware and decorators.

https://guard-core.github.io/fastapi-guard/latest/: what the gateway has no counterpart for (looking for attacks in
every request, banning of addresses) is switched off, though its defaults have it on; it would cost more with them.
Counts are in the process.
"""

from __future__ import annotations

import logging
from hmac import compare_digest

from fastapi import FastAPI, Request
from guard import SecurityConfig, SecurityDecorator, SecurityMiddleware
from guard.lifespan import guard_lifespan

from benchmarks.peers.their_keys import GUARD_KEY


def verify(request: object, credential: str) -> object | None:
    """Whose key it is."""
    return {"user": "shop"} if compare_digest(credential, GUARD_KEY) else None


def app() -> FastAPI:
    """For uvicorn's --factory."""
    logging.disable(logging.INFO)
    config = SecurityConfig(
        rate_limit=100_000_000,
        rate_limit_window=60,
        enable_redis=False,
        enable_ip_banning=False,
        enable_penetration_detection=False,
        auth_verifier=verify,
    )
    guard = SecurityDecorator(config)
    api = FastAPI(lifespan=guard_lifespan)
    api.add_middleware(SecurityMiddleware, config=config)
    api.state.guard_decorator = guard

    @api.get("/v1/orders/{id}")
    @guard.api_key_auth(header_name="X-API-Key")
    @guard.require_ip(whitelist=["10.0.0.0/8", "127.0.0.0/8"])
    @guard.require_referrer(["app.example.com"])
    async def order(request: Request, id: str) -> dict[str, str]:
        return {"id": id, "item": "tea"}

    return api
