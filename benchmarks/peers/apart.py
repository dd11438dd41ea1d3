"""Proxies in Python from apart.txt, each as its documentation has it, checking nothing. The gateway never imports this.

`python -m benchmarks.peers.apart PORT` serves the one of aiohttp alone; uvicorn serves the others.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any

UPSTREAM = "BENCHMARK_UPSTREAM"
OF_ONE_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
POOL = 256


def asgiproxy() -> Any:
    """asgiproxy; its cap of 20 requests at a time is lifted."""
    config, context = import_module("asgiproxy.config"), import_module("asgiproxy.context")
    base = os.environ[UPSTREAM]
    own = type("Config", (config.BaseURLProxyConfigMixin, config.ProxyConfig), {"upstream_base_url": base})
    return import_module("asgiproxy.simple_proxy").make_simple_proxy_app(context.ProxyContext(own(), POOL))


def fastapi_proxy_lib() -> Any:
    """fastapi-proxy-lib, with room for every connection in its pool."""
    httpx = import_module("httpx")
    limits = httpx.Limits(max_connections=POOL, max_keepalive_connections=POOL)
    client = httpx.AsyncClient(limits=limits, trust_env=False)
    return import_module("fastapi_proxy_lib.fastapi.app").reverse_http_app(client, base_url=f"{os.environ[UPSTREAM]}/")


def aiohttp(web: Any, client: Any) -> Any:
    """Server and client of aiohttp, pooled and streaming."""
    app, base = web.Application(), os.environ[UPSTREAM]

    async def session(app: Any) -> AsyncIterator[None]:
        connector = client.TCPConnector(limit=POOL)
        async with client.ClientSession(connector=connector, auto_decompress=False) as app["session"]:
            yield

    async def forward(request: Any) -> Any:
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in OF_ONE_HOP]
        body = request.content if request.can_read_body else None
        url = base + request.rel_url.raw_path_qs
        asked = request.app["session"].request(
            request.method, url, headers=headers, data=body, allow_redirects=False, skip_auto_headers=("User-Agent",)
        )
        async with asked as answer:
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in OF_ONE_HOP]
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response

    app.cleanup_ctx.append(session)
    app.router.add_route("*", "/{path:.*}", forward)
    return app


if __name__ == "__main__":
    import_module("uvloop").install()
    # Each round ends with requests in flight, and it would tell of every one.
    logging.disable()
    serve = import_module("aiohttp.web")
    serve.run_app(
        aiohttp(serve, import_module("aiohttp")),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=None,
        print=None,
    )
