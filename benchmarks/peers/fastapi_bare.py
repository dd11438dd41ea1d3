"""A FastAPI app with one JSON route and nothing in front: what the peers made for FastAPI are held against."""

from __future__ import annotations

from fastapi import FastAPI


def app() -> FastAPI:
    """For uvicorn's --factory."""
    api = FastAPI()

    @api.get("/v1/orders/{id}")
    async def order(id: str) -> dict[str, str]:
        return {"id": id, "item": "tea"}

    return api
