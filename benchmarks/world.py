"""The gateway that is measured: a store in a temporary directory, one key, and a route with everything on it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.system import SystemClock, SystemRandom
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.lifecycle.apps import AppFields, ManageApps
from gateway_auth.lifecycle.key_fields import KeyFields
from gateway_auth.lifecycle.keys import ManageKeys

PEPPER = b"a-pepper-for-measurements-only-0123456789"
REFERRER = "https://app.example.com/console/orders"
BODY = b'{"ok":true}'
_ACTOR = "benchmark"

ROUTE = {
    "id": "orders-read",
    "path": "/v1/orders/{id}",
    "methods": ["GET"],
    "scopes": ["orders:read"],
    "roles": ["analyst"],
    "allow_networks": ["10.0.0.0/8", "127.0.0.0/8"],
    "deny_networks": ["10.9.0.0/16"],
    "allow_referrers": ["https://*.example.com/console/*"],
    "limits": [
        {"id": "per-key", "rate": "1000000000/minute", "by": "key"},
        {"id": "per-address", "rate": "1000000000/hour", "by": "address"},
    ],
}
OTHERS = [{"id": f"other-{number}", "path": f"/v1/other{number}/{{id}}"} for number in range(10)]


@dataclass(frozen=True)
class World:
    """`config` is what `GatewayAuth` takes, `key` the text of a key that passes."""

    directory: Path
    config: dict[str, Any]
    key: str


@contextmanager
def world(**gateway: object) -> Iterator[World]:
    """A world of its own, gone afterwards. Arguments are keys of the [gateway] table."""
    with TemporaryDirectory(prefix="gateway-auth-benchmark-") as name:
        directory = Path(name)
        pepper = directory / "pepper"
        pepper.touch(mode=0o600)
        pepper.write_bytes(PEPPER)
        url = f"sqlite:///{directory / 'gateway.db'}"
        yield World(
            directory=directory,
            config={
                "gateway": gateway,
                "store": {"url": url},
                "secrets": {"pepper": f"file:{pepper}"},
                "routes": [ROUTE, *OTHERS],
            },
            key=asyncio.run(_create_key(url)),
        )


async def _create_key(url: str) -> str:
    store, clock = SqlStore(url), SystemClock()
    try:
        apps = ManageApps(store, clock, SystemRandom())
        app = await apps.create(_ACTOR, AppFields(name="benchmark"))
        keys = ManageKeys(store, clock, SystemRandom(), key_format=KeyFormat(), peppers=PepperRing(PEPPER))
        fields = KeyFields(scopes=["orders:read", "orders:write"], roles=["analyst"])
        return (await keys.create(_ACTOR, app.id, "live", fields)).text
    finally:
        await store.close()


async def bare_app(scope: Scope, receive: Receive, send: Send) -> None:
    """The least an app can do: 11 bytes of JSON."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"11")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


def request_scopes(count: int, key: str) -> list[Scope]:
    """Scopes as a server makes them: every request its own objects, its own path, nothing hashed yet."""
    return [_request_scope(b"/v1/orders/%d" % number, key.encode()) for number in range(count)]


def _request_scope(path: bytes, key: bytes) -> Scope:
    headers = (
        (b"host", b"api.example.com"), (b"user-agent", b"benchmark/1.0"), (b"accept", b"application/json"),
        (b"accept-encoding", b"gzip, deflate"), (b"connection", b"keep-alive"),
        (b"x-api-key", key), (b"referer", REFERRER.encode()),
    )  # fmt: skip
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 40000),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "path": path.decode(),
        "raw_path": path,
        "query_string": b"",
        "headers": [(bytes(bytearray(name)), bytes(bytearray(value))) for name, value in headers],
        "state": {},
    }


async def no_body() -> Message:
    """`receive` of a request without a body."""
    return {"type": "http.request", "body": b"", "more_body": False}
