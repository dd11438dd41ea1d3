"""The proxy as servers load it, in a process of its own; judges every request as the middleware would."""

from __future__ import annotations

import os
import resource

import msgspec
from starlette.types import Receive, Scope, Send

from gateway_auth.core.upstream import UpstreamLimits
from gateway_auth.proxy import ProxyApp, parse_upstream
from tests.proxy.asgi_client import Judged, respond

_limits = msgspec.json.decode(os.environ.get("LIMITS", "{}"), type=UpstreamLimits)
_proxy = ProxyApp(msgspec.structs.replace(parse_upstream(os.environ["UPSTREAM"]), limits=_limits), respond=respond)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """`/peak` tells the greatest memory use so far; everything else is forwarded."""
    if scope["type"] == "http" and scope["path"] == "/peak":
        peak = str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": peak})
        return
    if scope["type"] == "http":
        scope["gateway_auth"] = Judged(client_address=str(scope["client"][0]))
        scope["headers"] = [*scope["headers"], (b"x-auth-subject", b"app-1"), (b"x-request-id", b"req-1")]
    await _proxy(scope, receive, send)
