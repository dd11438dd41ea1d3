"""An MCP server behind gateway-auth: a client needs its address alone, and finds by it who gives out tokens.

export GATEWAY_AUTH_PEPPER="$(python -c 'import secrets; print(secrets.token_hex(32))')"
uvicorn --no-proxy-headers --app-dir examples mcp_server:app
curl -i -X POST http://127.0.0.1:8000/mcp
curl http://127.0.0.1:8000/.well-known/oauth-protected-resource/mcp
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from gateway_auth import GatewayAuth, requires

server = MCPServer("orders")


def request_of(context: Context[Any, Request]) -> Request:
    """The HTTP request that called the tool, as the gateway admitted it."""
    request = context.request_context.request
    if request is None:
        raise RuntimeError("this server is to be reached over HTTP only")
    return request


@server.tool()
async def read_order(id: str, context: Context[Any, Request]) -> dict[str, str]:
    """Look up an order."""
    return {"id": id, "for": request_of(context).user.subject}


@server.tool()
async def cancel_order(id: str, context: Context[Any, Request]) -> dict[str, str]:
    """Cancel an order."""
    try:
        return await cancel(request_of(context), id)
    except HTTPException as refusal:  # The gateway answers it already; here it must only not look like a crash.
        raise ToolError(refusal.detail) from refusal


@requires(scopes=["orders:cancel"])
async def cancel(request: Request, id: str) -> dict[str, str]:
    """All tools share one route; what a single one needs beyond it, its own code asks for."""
    return {"id": id, "cancelled by": request.user.subject}


# No sessions: the SDK ties them to callers it has verified itself, and here it verifies none. JSON answers: they begin
# when the tool is done, so that one that refuses is answered by 403 and the scope it needs, which clients then get.
mcp_app = server.streamable_http_app(stateless_http=True, json_response=True)
app = GatewayAuth(mcp_app, config=Path(__file__).with_name("mcp.toml"))
