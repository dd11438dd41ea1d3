"""The same orders API on FastAPI; what callers need shows in its OpenAPI document.

export GATEWAY_AUTH_PEPPER="$(python -c 'import secrets; print(secrets.token_hex(32))')"
gateway-auth -c examples/gateway.toml apps create shop
gateway-auth -c examples/gateway.toml keys create --app shop --scope 'orders:*'
uvicorn --no-proxy-headers --app-dir examples fastapi_app:app
curl -i -X DELETE -H 'X-Api-Key: gwk_live_…' http://127.0.0.1:8000/v1/orders/7
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import FastAPI

from gateway_auth import GatewayAuth, Principal
from gateway_auth.fastapi import Requires

app = FastAPI(title="orders")
app.add_middleware(GatewayAuth, config=Path(__file__).with_name("gateway.toml"))


@app.get("/healthz")
async def health() -> dict[str, str]:
    """Public: the route says so."""
    return {"status": "ok"}


@app.get("/v1/orders/{id}")
async def read_order(id: str, principal: Annotated[Principal, Requires("orders:read")]) -> dict[str, str]:
    """The dependency gives who asks."""
    return {"id": id, "for": principal.subject}


@app.delete("/v1/orders/{id}", status_code=204, dependencies=[Requires("orders:delete")])
async def delete_order(id: str) -> None:
    """Where nobody needs to know who, the dependency only guards."""
