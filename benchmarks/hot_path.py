"""The requests whose cost is watched, each as something that can be called. Times and counts nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from msgspec import Struct

from benchmarks.mounted import mount, opened
from benchmarks.proxied import Proxied, proxied
from benchmarks.signing import AUDIENCE, ISSUER, SECRET, Signer
from benchmarks.world import api_key, bearer, receive_nothing, request_scope
from gateway_auth.adapters.issuers.signatures import hmac_key
from gateway_auth.asgi.middleware import GatewayAuth
from gateway_auth.asgi.types import Header, Message, Send
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


Put = Callable[[Send], Awaitable[None]]
"""A request that is ready to be put: what a server does before is not in it."""


class Kind(Struct, frozen=True):
    """One kind of request: what makes one, and the status it is answered with."""

    title: str
    make: Callable[[], Put]
    status: int = 200


class HotPath:
    """The kinds of requests."""

    def __init__(self, kinds: dict[str, Kind]) -> None:
        self.kinds = kinds

    def prepare(self, kind: str, count: int) -> list[Put]:
        """So many requests."""
        return [self.kinds[kind].make() for _ in range(count)]

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
    async with opened(sections, [source]) as (gateway, key), proxied(gateway, key) as behind:
        token = signer.token()
        guarded = mount(gateway)
        kinds = {
            "key": Kind("API key, remembered", lambda: _mounted(guarded, api_key(key))),
            "token": Kind("bearer token, remembered", lambda: _mounted(guarded, bearer(token))),
            "first_sight": Kind(
                "bearer token, seen for the first time", lambda: _mounted(guarded, bearer(signer.token()))
            ),
            "refused": Kind("no credential, refused", lambda: _mounted(guarded, NO_CREDENTIAL), 401),
            "proxied": Kind("through the proxy, fields that repeat", lambda: _proxied(behind, behind.alike())),
            "proxied_unlike": Kind("through the proxy, fields of its own", lambda: _proxied(behind, behind.unlike())),
        }
        yield HotPath(kinds)


def _mounted(guarded: GatewayAuth, credential: Header) -> Put:
    scope = request_scope(credential)
    return lambda send: guarded(scope, receive_nothing, send)


def _proxied(behind: Proxied, request: bytes) -> Put:
    async def put(send: Send) -> None:
        await send({"type": "http.response.start", "status": int(behind.put(request)[9:12])})

    return put
