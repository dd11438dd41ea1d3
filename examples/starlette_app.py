"""An orders API on Starlette behind gateway-auth.

export GATEWAY_AUTH_PEPPER="$(python -c 'import secrets; print(secrets.token_hex(32))')"
gateway-auth -c examples/gateway.toml apps create shop
gateway-auth -c examples/gateway.toml keys create --app shop --scope orders:read
uvicorn --no-proxy-headers --app-dir examples starlette_app:app
curl -i -H 'X-Api-Key: gwk_live_…' http://127.0.0.1:8000/v1/orders/7
"""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway_auth import GatewayAuth, requires


async def health(request: Request) -> Response:
    """Public: the route says so."""
    return JSONResponse({"status": "ok"})


async def read_order(request: Request) -> Response:
    """The route has asked for `orders:read` already; here it is known who asks."""
    return JSONResponse({"id": request.path_params["id"], "for": request.user.subject})


@requires(scopes=["orders:delete"])
async def delete_order(request: Request) -> Response:
    """What the route leaves open, the endpoint asks for itself."""
    return Response(status_code=204)


app = Starlette(
    routes=[
        Route("/healthz", health),
        Route("/v1/orders/{id}", read_order, methods=["GET"]),
        Route("/v1/orders/{id}", delete_order, methods=["DELETE"]),
    ]
)
app.add_middleware(GatewayAuth, config=Path(__file__).with_name("gateway.toml"))
