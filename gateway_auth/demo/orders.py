"""The sample API behind the demo: orders in memory. It knows no keys, only what the gateway tells it in headers."""

from __future__ import annotations

from collections import deque

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

MAX_ORDERS = 100
MAX_ITEM = 64

Order = dict[str, object]


class Orders:
    """The newest hundred orders, so that nobody can fill the demo's memory."""

    def __init__(self) -> None:
        self._orders: deque[Order] = deque(maxlen=MAX_ORDERS)
        self._next_number = 1001
        for item in ("tea", "coffee", "cocoa"):
            self.add(item)

    def add(self, item: str) -> Order:
        """A new order."""
        order: Order = {"id": str(self._next_number), "item": item[:MAX_ITEM]}
        self._next_number += 1
        self._orders.append(order)
        return order

    async def list_all(self, request: Request) -> JSONResponse:
        """Every order."""
        return JSONResponse({"orders": list(self._orders), "seen": _seen(request)})

    async def show(self, request: Request) -> JSONResponse:
        """One order."""
        wanted = request.path_params["id"]
        found = next((order for order in self._orders if order["id"] == wanted), None)
        if found is None:
            return JSONResponse({"error": f"there is no order {wanted}"}, status_code=404)
        return JSONResponse({"order": found, "seen": _seen(request)})

    async def create(self, request: Request) -> JSONResponse:
        """Add an order, of tea unless the body says otherwise."""
        try:
            body = await request.json()
        except ValueError:
            body = None
        item = body.get("item") if isinstance(body, dict) else None
        order = self.add(item if isinstance(item, str) else "tea")
        return JSONResponse({"order": order, "seen": _seen(request)}, status_code=201)

    async def report(self, request: Request) -> JSONResponse:
        """How many orders there are."""
        return JSONResponse({"orders": len(self._orders), "seen": _seen(request)})


async def health(request: Request) -> JSONResponse:
    """Says that it is there."""
    return JSONResponse({"status": "ok"})


def _seen(request: Request) -> dict[str, str | bool | None]:
    """Who this API was told the caller is, and whether a credential came through."""
    headers = request.headers
    return {
        "subject": headers.get("x-auth-subject"),
        "scopes": headers.get("x-auth-scopes"),
        "credential": "authorization" in headers or "x-api-key" in headers,
    }


def orders_app() -> Starlette:
    """A fresh API with three orders, 1001 to 1003."""
    orders = Orders()
    return Starlette(
        routes=[
            Route("/healthz", health),
            Route("/v1/orders", orders.list_all, methods=["GET"]),
            Route("/v1/orders", orders.create, methods=["POST"]),
            Route("/v1/orders/{id}", orders.show),
            Route("/v1/reports/daily", orders.report),
        ]
    )
