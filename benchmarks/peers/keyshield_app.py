"""keyshield: an API key and two scopes checked by its FastAPI dependency. Of its ways the quickest: keys in memory.

https://github.com/Athroniaeth/keyshield#quick-start: a store in memory, verified keys cached (its Argon2 runs once),
the key in X-API-Key as with all others here. With its SQL store every request would also write when the key was used.
By default it holds every answer back for 100 to 300 ms, against guessing; that is off, or it would be all there is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.security import APIKeyHeader
from keyshield import ApiKey
from keyshield.api import create_depends_api_key
from keyshield.hasher.argon2 import Argon2ApiKeyHasher
from keyshield.repositories.in_memory import InMemoryApiKeyRepository
from keyshield.services.cached import CachedApiKeyService

from benchmarks.peers.their_keys import KEYSHIELD_ID, KEYSHIELD_SECRET

SCOPES = ["orders:read", "orders:export"]


def app() -> FastAPI:
    """For uvicorn's --factory."""
    hasher = Argon2ApiKeyHasher(pepper="Jr4ZbLq7Wd0xVnT9KfEy2uHs6mCa8PoG1iXv5NtB")
    service = CachedApiKeyService(repo=InMemoryApiKeyRepository(), hasher=hasher, min_delay=0, max_delay=0)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.create(name="shop", scopes=SCOPES, key_id=KEYSHIELD_ID, key_secret=KEYSHIELD_SECRET)
        yield

    async def provide() -> CachedApiKeyService:
        return service

    key_of = create_depends_api_key(
        provide, security=APIKeyHeader(name="X-API-Key", auto_error=False), required_scopes=SCOPES
    )
    api = FastAPI(lifespan=lifespan)

    @api.get("/v1/orders/{id}")
    async def order(id: str, key: ApiKey = Depends(key_of)) -> dict[str, str]:  # noqa: B008  # as its documentation says
        return {"id": id, "item": "tea"}

    return api
