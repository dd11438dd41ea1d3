"""A real SQLite store with one key of every kind, made once, and the configuration that is tested on it."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.types import Receive, Scope, Send

from gateway_auth import GatewayAuth
from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.system import SystemClock, SystemRandom
from gateway_auth.core.actor import Actor
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.lifecycle.apps import AppFields, ManageApps
from gateway_auth.lifecycle.key_fields import KeyFields
from gateway_auth.lifecycle.keys import ManageKeys

PEPPER = b"q7Wd0xVnT4ZbLr9KfEy2uHs6JmCa8PoG1iXv5NtB"
ACTOR = Actor(kind="cli", name="test")
CERTIFICATE = "AB" * 20
DAY = 86400
Table = dict[str, Any]
Mount = Callable[..., Awaitable[GatewayAuth]]

FIELDS = {
    "plain": KeyFields(name="nothing granted"),
    "reader": KeyFields(scopes=["orders:read"]),
    "wildcard": KeyFields(scopes=["orders:*"]),
    "analyst": KeyFields(roles=["analyst"]),
    "admin": KeyFields(roles=["admin"]),
    "disabled": KeyFields(scopes=["orders:read"]),
    "revoked": KeyFields(scopes=["orders:read"]),
    "expired": KeyFields(scopes=["orders:read"], expires_in="1h"),
    "early": KeyFields(not_before="2999-01-01T00:00:00Z"),
    "office": KeyFields(allow_networks=["198.51.100.0/24"]),
    "page": KeyFields(allow_referrers=["https://shop.example/console/*"]),
    "phone": KeyFields(allow_android=[f"com.example.shop:{CERTIFICATE}"], allow_ios=["com.example.Shop"]),
    "getter": KeyFields(allow_requests=["GET /known/*", "GET /known"]),
    "metered": KeyFields(),
    "odd": KeyFields(),
    "orphan": KeyFields(),
}
APPS = {
    "metered": AppFields(name="metered", owner="bob", plan="free"),
    "odd": AppFields(name="odd", owner="Zoë & \N{SNOWMAN} 100%: a,b; c"),
    "orphan": AppFields(name="nobody's"),
}

ROUTES: tuple[Table, ...] = (
    {"id": "public", "path": "/public", "access": "public"},
    {"id": "optional", "path": "/optional", "access": "optional"},
    {"id": "known", "path": "/known"},
    {"id": "below", "path": "/known/{rest:path}"},
    {"id": "read", "path": "/orders/{id}", "methods": ["GET"], "scopes": ["orders:read"]},
    {"id": "write", "path": "/orders/{id}", "methods": ["POST"], "scopes": ["orders:write", "orders:read"]},
    {"id": "any", "path": "/any", "any_scopes": ["orders:read", "orders:export"]},
    {"id": "analysts", "path": "/analysts", "roles": ["analyst", "auditor"]},
    {"id": "limited", "path": "/limited", "limits": [{"id": "per-key", "rate": "2/minute", "by": "key"}]},
    {"id": "inside", "path": "/inside", "allow_networks": ["10.0.0.0/8"], "deny_networks": ["10.9.0.0/16"]},
    {"id": "console", "path": "/console", "allow_referrers": ["https://shop.example/console/*"]},
    {"id": "keeping", "path": "/keeping", "strip_credentials": False},
    {"id": "socket", "path": "/socket", "websocket": True, "scopes": ["orders:read"]},
    {"id": "strict", "path": "/strict", "preflight": "deny"},
    {"id": "shadow", "path": "/shadow", "mode": "shadow", "scopes": ["orders:read"]},
)


class LongAgo(SystemClock):
    """Two days behind."""

    def now(self) -> float:
        return time.time() - 2 * DAY


class Site:
    """A store in a directory. `keys` are the texts of its keys by kind, `ids` their ids."""

    def __init__(self, directory: Path, keys: dict[str, str]) -> None:
        self.directory = directory
        self.keys = keys
        self.ids = {kind: text.split("_")[2] for kind, text in keys.items()}

    def copy_to(self, directory: Path) -> Site:
        """The same for one test alone."""
        shutil.copy(self.directory / "gateway.db", directory)
        shutil.copy(self.directory / "pepper", directory)
        return Site(directory, self.keys)

    def config(self, routes: tuple[Table, ...] | list[Table] = ROUTES, **gateway: Any) -> Table:
        """The configuration with these routes, and these keys under [gateway]."""
        return {
            "gateway": {"realm": "orders", **gateway},
            "store": {"url": f"sqlite:///{self.directory}/gateway.db"},
            "secrets": {"pepper": f"file:{self.directory}/pepper"},
            "roles": {"analyst": ["reports:read"], "admin": ["orders:*"]},
            "plans": {"free": {"limits": [{"id": "plan", "rate": "3/hour", "by": "app"}]}},
            "routes": list(routes),
        }

    def manage_keys(self, store: SqlStore, clock: SystemClock | None = None) -> ManageKeys:
        """The use cases on the store, to change what was made."""
        peppers = PepperRing(PEPPER)
        return ManageKeys(store, clock or SystemClock(), SystemRandom(), key_format=KeyFormat("gwk"), peppers=peppers)

    def open_store(self) -> SqlStore:
        """The store, as another process would open it."""
        return SqlStore(f"sqlite:///{self.directory}/gateway.db")


def build_site(directory: Path) -> Site:
    """A new store with all apps and keys."""
    pepper = directory / "pepper"
    pepper.touch(mode=0o600)
    pepper.write_bytes(PEPPER)
    site = Site(directory, {})
    return Site(directory, asyncio.run(_fill(site)))


async def _fill(site: Site) -> dict[str, str]:
    store = site.open_store()
    try:
        apps = ManageApps(store, SystemClock(), SystemRandom(), ("free",))
        shop = (await apps.create(ACTOR, AppFields(name="shop", owner="alice"))).id
        texts = {}
        for kind, fields in FIELDS.items():
            app_id = (await apps.create(ACTOR, APPS[kind])).id if kind in APPS else shop
            keys = site.manage_keys(store, LongAgo() if kind == "expired" else None)
            created = await keys.create(ACTOR, app_id, "live", fields)
            texts[kind] = created.text
            if kind == "disabled":
                await keys.disable(ACTOR, created.record.id)
            if kind == "revoked":
                await keys.revoke(ACTOR, created.record.id)
        return texts
    finally:
        await store.close()


class Echo:
    """The app behind: answers 200 and remembers what reached it."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _obey_lifespan(receive, send)
            return
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"reached"})

    @property
    def last(self) -> Scope:
        """The scope of the request that reached the app last."""
        return self.scopes[-1]

    def values(self, name: str) -> list[str]:
        """What of a header reached the app last, whatever the case of its name and `_` for `-`."""
        folded = name.lower().replace("_", "-").encode()
        return [v.decode("latin-1") for n, v in self.last["headers"] if n.lower().replace(b"_", b"-").strip() == folded]


async def _obey_lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
