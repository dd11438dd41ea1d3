"""A proxy as one writes it with what the gateway itself may use: httpx2 behind uvicorn, pooled and streaming."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

UPSTREAM = "BENCHMARK_UPSTREAM"
"""Names the upstream's address, for every proxy in Python."""
OF_ONE_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}


def app() -> Starlette:
    """Everything goes to one upstream, nothing is checked."""
    pool = httpx2.Limits(max_connections=256, max_keepalive_connections=256)
    client = httpx2.AsyncClient(base_url=os.environ[UPSTREAM], limits=pool, timeout=60.0, trust_env=False)

    async def forward(request: Request) -> StreamingResponse:
        headers = [(name, value) for name, value in request.headers.items() if name not in OF_ONE_HOP]
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        outgoing = client.build_request(
            request.method,
            httpx2.URL(path=request.url.path, query=request.url.query.encode()),
            headers=headers,
            content=request.stream() if has_body else None,
        )
        answer = await client.send(outgoing, stream=True)
        kept = {name: value for name, value in answer.headers.items() if name not in OF_ONE_HOP}
        return StreamingResponse(answer.aiter_raw(), answer.status_code, kept, background=BackgroundTask(answer.aclose))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with client:
            yield

    return Starlette(routes=[Route("/{path:path}", forward, methods=["GET", "POST"])], lifespan=lifespan)
