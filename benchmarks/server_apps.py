"""The apps the servers serve, each made by a factory that servers find by name. The site comes in the environment."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway_auth import GatewayAuth
from gateway_auth.asgi.types import ASGIApp, Receive, Scope, Send

SITE = "BENCHMARK_SITE"
"""Names the file with the configuration as JSON."""
KEY = "BENCHMARK_KEY"
"""Has the text of the key that is asked with, for what keeps keys of its own."""
TEMPLATE = "/v1/orders/{id}"
BODIES = "/v1/bodies"


async def order(request: Request) -> JSONResponse:
    """A small JSON answer."""
    return JSONResponse({"id": request.path_params["id"], "item": "tea"})


async def take_body(request: Request) -> JSONResponse:
    """Takes a body whole, and says how long it was."""
    return JSONResponse({"bytes": len(await request.body())})


def bare() -> Starlette:
    """An app without the middleware."""
    return Starlette(routes=[Route(TEMPLATE, order), Route(BODIES, take_body, methods=["POST"])])


def guarded() -> GatewayAuth:
    """The same app behind it."""
    return GatewayAuth(bare(), config=_config())


def proxy() -> ASGIApp:
    """The standalone proxy, as `gateway-auth serve` builds it."""
    from gateway_auth.config import load
    from gateway_auth.server.composition import build

    return build(load(_config())).app


def single() -> GatewayAuth:
    """`guarded`, but each request asks Redis by itself, over as many connections as it needs."""
    from gateway_auth.adapters.redis import limit_store

    vars(limit_store)["Batcher"] = Unbatched  # in this process alone, before it is used
    return guarded()


class Unbatched:
    """What a Batcher offers, without gathering anything."""

    def __init__(self, ask: Callable[[list[Any]], Awaitable[Sequence[Any]]], *_: object) -> None:
        self._ask = ask

    async def put(self, question: Any) -> Any:
        """The answer of a call of its own."""
        return (await self._ask([question]))[0]

    async def close(self) -> None:
        """Nothing waits."""


def peer_limits() -> Starlette:
    """Two limits by `limits`, in Redis."""
    return _limited("limits_app", _config()["redis"]["url"])


def peer_slowapi() -> Starlette:
    """The same by slowapi."""
    return _limited("slowapi_app", _config()["redis"]["url"])


def peer_throttled() -> Starlette:
    """The same by throttled-py."""
    return _limited("throttled_app", _config()["redis"]["url"])


def memory_limits() -> Starlette:
    """Two limits by `limits`, in the process."""
    return _limited("limits_app", "memory://")


def memory_slowapi() -> Starlette:
    """The same by slowapi."""
    return _limited("slowapi_app", "memory://")


def memory_throttled() -> Starlette:
    """The same by throttled-py."""
    return _limited("throttled_app", "memory://")


def _limited(factory: str, url: str) -> Starlette:
    from benchmarks.peers import limiters

    app: Starlette = getattr(limiters, factory)(url, order, TEMPLATE)
    return app


def peer_handwritten() -> Starlette:
    """A key looked up in Redis, and two limits there, as teams write it."""
    from benchmarks.peers.handwritten import handwritten_app

    return handwritten_app(_config()["redis"]["url"], os.environ[KEY], order, TEMPLATE)


def authorize() -> ASGIApp:
    """Forward-auth alone, for a proxy that asks."""
    from gateway_auth.forward_auth import ForwardAuth

    return ForwardAuth(_config())


def empty() -> ASGIApp:
    """Says yes to everything, without a word."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError("no lifespan")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    return app


def _config() -> dict[str, Any]:
    with open(os.environ[SITE], encoding="utf-8") as file:
        config: dict[str, Any] = json.load(file)
    return config


def peer() -> Starlette:
    """What teams write without this project: Starlette's AuthenticationMiddleware, and PyJWT on every request."""
    from benchmarks.peers.pyjwt_backend import middleware

    app = bare()
    app.user_middleware.insert(0, middleware(_config()))
    return app
