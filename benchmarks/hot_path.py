"""The requests whose cost is watched, each as something that can be called. Times and counts nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from msgspec import Struct

from benchmarks.mounted import mount, opened
from benchmarks.signing import AUDIENCE, ISSUER, SECRET, Signer
from benchmarks.world import api_key, bearer, receive_nothing, request_scope
from gateway_auth.adapters.issuers.signatures import hmac_key
from gateway_auth.asgi.middleware import GatewayAuth
from gateway_auth.asgi.types import Header, Message, Scope, Send
from gateway_auth.bootstrap.issuer_source import IssuerSource
from gateway_auth.core.issuer import Issuer
from gateway_auth.ports import VerificationKey

NO_CREDENTIAL: Header = (b"x-trace", b"1")


class Published:
    """ports.KeySetSource of keys that are there."""

    def __init__(self, *keys: VerificationKey) -> None:
        self._keys = keys

    async def fetch(self) -> tuple[VerificationKey, ...]:
        """The keys."""
        return self._keys


class Kind(Struct, frozen=True):
    """One kind of request: its credential, anew for each, and the status it is answered with."""

    title: str
    credential: Callable[[], Header]
    status: int = 200


class HotPath:
    """The middleware and the kinds of requests that are put to it."""

    def __init__(self, guarded: GatewayAuth, kinds: dict[str, Kind]) -> None:
        self._guarded = guarded
        self.kinds = kinds

    def prepare(self, kind: str, count: int) -> list[Callable[[Send], Awaitable[None]]]:
        """Requests that are ready to be put: what a server does before is not in them."""
        return [self._ready(request_scope(self.kinds[kind].credential())) for _ in range(count)]

    def _ready(self, scope: Scope) -> Callable[[Send], Awaitable[None]]:
        return lambda send: self._guarded(scope, receive_nothing, send)

    async def check(self, kind: str) -> None:
        """Put one. Raises AssertionError when it is not answered as it should be."""
        statuses: list[int] = []

        async def send(message: Message) -> None:
            statuses.extend([message["status"]] if "status" in message else [])

        await self.prepare(kind, 1)[0](send)
        if statuses != [self.kinds[kind].status]:
            raise AssertionError(f"{kind}: answered with {statuses} instead of {self.kinds[kind].status}")


@asynccontextmanager
async def hot_path() -> AsyncIterator[HotPath]:
    """All kinds over one gateway. Warm: put each a few times before counting, so that everything is remembered."""
    signer = Signer("HS256")
    rules = Issuer(id="corp", issuer=ISSUER, audiences=frozenset((AUDIENCE,)), algorithms=("HS256",))
    source = IssuerSource(rules=rules, keys=Published(hmac_key(SECRET, "HS256", "HS256")))
    sections = {"issuers": [{"id": "corp", "issuer": ISSUER, "audiences": [AUDIENCE]}]}
    async with opened(sections, [source]) as (gateway, key):
        token = signer.token()
        kinds = {
            "key": Kind("API key, remembered", lambda: api_key(key)),
            "token": Kind("bearer token, remembered", lambda: bearer(token)),
            "first_sight": Kind("bearer token, seen for the first time", lambda: bearer(signer.token())),
            "refused": Kind("no credential, refused", lambda: NO_CREDENTIAL, 401),
        }
        yield HotPath(mount(gateway), kinds)
