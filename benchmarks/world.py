"""The site that is measured: one demanding route among ten others, its key, and the request for it. Times nothing."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.system import SystemClock, SystemRandom
from gateway_auth.asgi.types import Header, Message, Receive, Scope, Send
from gateway_auth.config import Configuration, load
from gateway_auth.core.actor import Actor
from gateway_auth.lifecycle.apps import AppFields, ManageApps
from gateway_auth.lifecycle.key_fields import KeyFields
from gateway_auth.lifecycle.keys import ManageKeys
from gateway_auth.ports import Registry

PEPPER = b"Jr4ZbLq7Wd0xVnT9KfEy2uHs6mCa8PoG1iXv5NtB"
PATH = "/v1/orders/42"
REFERRER = "https://app.example.com/console/orders"
BODY = b'{"id":"42","item":"tea"}'
ACTOR = Actor(kind="system", name="benchmark")

DEMANDING: dict[str, object] = {
    "id": "orders-read",
    "path": "/v1/orders/{id}",
    "methods": ["GET"],
    "scopes": ["orders:read", "orders:export"],
    "roles": ["analyst"],
    "allow_networks": ["10.0.0.0/8", "127.0.0.0/8"],
    "deny_networks": ["10.9.0.0/16"],
    "allow_referrers": ["https://*.example.com/console/*"],
    "limits": [
        {"id": "per-key", "rate": "100000000/minute", "by": "key"},
        {"id": "per-address", "rate": "1000000000/hour", "by": "address"},
    ],
}
PLAIN: dict[str, object] = {"id": "items-read", "path": "/v1/items/{id}", "methods": ["GET"], "scopes": ["items:read"]}
OTHERS = [{"id": f"other-{number}", "path": f"/v1/other{number}/{{id}}"} for number in range(9)]


class Site(Struct, frozen=True):
    """A configuration on disk, as an operator has it, and a key for its demanding route."""

    config: dict[str, object]
    key: str

    @property
    def configuration(self) -> Configuration:
        """The configuration, compiled."""
        return load(self.config)


def describe(directory: Path, **sections: object) -> dict[str, object]:
    """The configuration with its store and pepper in `directory`, and more sections."""
    pepper = directory / "pepper"
    pepper.touch(mode=0o600)
    pepper.write_bytes(PEPPER)
    return {
        "gateway": {"realm": "orders"},
        "store": {"url": f"sqlite:///{directory}/gateway.db"},
        "secrets": {"pepper": f"file:{pepper}"},
        "roles": {"analyst": ["reports:read"]},
        "routes": [DEMANDING, PLAIN, *OTHERS],
        **sections,
    }


async def make_key(registry: Registry, configuration: Configuration) -> str:
    """The text of a new key that may use every route."""
    return (await make_keys(registry, configuration, 1))[0]


async def make_keys(registry: Registry, configuration: Configuration, count: int) -> list[str]:
    """The texts of new keys of a new app."""
    clock, random = SystemClock(), SystemRandom()
    app = await ManageApps(registry, clock, random).create(ACTOR, AppFields(name="shop"))
    keys = ManageKeys(registry, clock, random, key_format=configuration.rules.key_format, peppers=configuration.peppers)
    fields = KeyFields(scopes=["orders:read", "orders:export", "items:read"], roles=["analyst"])
    return [(await keys.create(ACTOR, app.id, "live", fields)).text for _ in range(count)]


async def make_site(directory: Path) -> Site:
    """A site with a store in SQLite, as a server will open it."""
    config = describe(directory)
    configuration = load(config)
    store = SqlStore(configuration.store_url)
    try:
        return Site(config, await make_key(store, configuration))
    finally:
        await store.close()


def api_key(key: str) -> Header:
    """The header an API key comes in."""
    return b"x-api-key", key.encode()


def bearer(token: str) -> Header:
    """The header a token comes in."""
    return b"authorization", b"Bearer " + token.encode()


def request_scope(credential: Header, path: str = PATH, client: str = "127.0.0.1") -> Scope:
    """A scope as a server makes one: every name and value a new object, whose hash nobody has computed yet."""
    headers: list[Header] = [
        (b"host", b"api.example.com"),
        (b"user-agent", b"benchmark/1.0"),
        (b"accept", b"*/*"),
        (b"accept-encoding", b"gzip, deflate"),
        (b"connection", b"keep-alive"),
        credential,
        (b"referer", REFERRER.encode()),
    ]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": (client, 40000),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "path": bytearray(path, "ascii").decode(),
        "raw_path": _fresh(path.encode()),
        "query_string": b"",
        "headers": [(_fresh(name), _fresh(value)) for name, value in headers],
        "state": {},
    }


async def bare_app(scope: Scope, receive: Receive, send: Send) -> None:
    """The smallest app that answers."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"24")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


async def receive_nothing() -> Message:
    """The body of a GET."""
    return {"type": "http.request", "body": b"", "more_body": False}


def _fresh(value: bytes) -> bytes:
    return bytes(bytearray(value))
