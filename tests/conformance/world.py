"""A configuration, a store and keys, from the tables: one world is served by every edge at once."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.system import SystemClock, SystemRandom
from gateway_auth.config import Configuration, load
from gateway_auth.core.actor import Actor
from gateway_auth.lifecycle.apps import AppFields, ManageApps
from gateway_auth.lifecycle.key_fields import KeyFields
from gateway_auth.lifecycle.keys import ManageKeys
from tests.bearer.issuing import AUDIENCE, TokenIssuer
from tests.conformance import toml
from tests.conformance.addresses import network_keys
from tests.conformance.vectors import UNKNOWN_KEY, Case, own, shared

ACTOR = Actor(kind="system", name="conformance")
PAST_SECONDS = 86_400
TOKENS = TokenIssuer()
TRUSTED = ["127.10.0.0/16"]
"""The proxies every world believes; `10.0.0.0/8` of the shared cases is translated to it."""

SHARED_ROUTES: list[dict[str, Any]] = [
    {"id": "shared-public", "path": "/public/{rest:path}", "access": "public"},
    {"id": "shared-items", "path": "/api/items", "methods": ["GET", "POST"], "scopes": ["items:read"]},
    {"id": "shared-item", "path": "/api/items/{id}", "methods": ["GET"], "scopes": ["items:read"]},
    {"id": "shared-delete", "path": "/api/items/{id}", "methods": ["DELETE"], "scopes": ["items:delete"]},
    {"id": "shared-admin", "path": "/api/admin/{rest:path}", "scopes": ["admin"]},
    {"id": "shared-client", "path": "/client", "methods": ["GET"]},
    {"id": "shared-socket", "path": "/socket", "websocket": True, "scopes": ["items:read"]},
    {"id": "shared-bucket", "path": "/bucket", "access": "public", "limits": [{"rate": "1/hour", "by": "address"}]},
]
SHARED_KEYS: dict[str, dict[str, Any]] = {
    "KEY": {"app": "client-1", "scopes": ["items:read"]},
    "KEY2": {"app": "client-2", "scopes": ["items:read"]},
    "POOR": {"app": "client-3"},
    "REVOKED": {"app": "client-3", "scopes": ["items:read"], "state": "revoked"},
}
GATEWAYS: dict[str, dict[str, Any]] = {
    "main": {"realm": "conformance", "trusted_proxies": TRUSTED, "max_body_bytes": 65536,
             "failed_auth": {"rate": "5/minute", "by": "address"}},
    "strict": {"realm": "strict", "trusted_proxies": TRUSTED, "client_address_header": "forwarded",
               "require_https": True, "failed_auth": False},
}  # fmt: skip


class PastClock(SystemClock):
    """A day ago, for keys that have ended since."""

    def now(self) -> float:
        """UTC epoch seconds."""
        return time.time() - PAST_SECONDS


@dataclass
class World:
    """`tables` is the configuration but for where an edge listens and forwards to; `keys` are texts by name."""

    name: str
    folder: Path
    tables: dict[str, Any]
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def secrets(self) -> list[bytes]:
        """What must turn up nowhere behind the gateway: the secret parts of keys, and tokens."""
        keys = [text for name, text in self.keys.items() if not name.startswith("JWT")]
        tokens = [text for name, text in self.keys.items() if name.startswith("JWT")]
        return [text.encode() for text in (*(text.split("_")[3] for text in (*keys, UNKNOWN_KEY)), *tokens)]

    def write(self, edge: str, listen_port: int, admin_port: int, upstream_port: int | None) -> Path:
        """The configuration file of one edge."""
        gateway = {"listen": f"127.0.0.1:{listen_port}", "admin_listen": f"127.0.0.1:{admin_port}"}
        if upstream_port is not None:
            gateway["upstream"] = f"http://127.0.0.1:{upstream_port}"
        path = self.folder / f"{edge}.toml"
        path.write_text(toml.dump({**self.tables, "gateway": {**self.tables["gateway"], **gateway}}), "utf-8")
        return path


def make_world(name: str, folder: Path) -> World:
    """A new world in an empty folder, with all keys its tables name."""
    pepper = folder / "pepper"
    pepper.write_text(secrets.token_urlsafe(48))
    pepper.chmod(0o600)
    tables: dict[str, Any] = {
        "gateway": GATEWAYS[name],
        "store": {"url": f"sqlite:///{folder}/gateway.db"},
        "secrets": {"pepper": f"file:{pepper}"},
        "api_keys": {"headers": ["x-api-key", "x-partner-key"]},
        "roles": {},
        "plans": {},
        "issuers": [issuer_table(folder)],
        "routes": [*SHARED_ROUTES, *origin_routes()],
    }
    keys = {**SHARED_KEYS, **origin_keys(), **network_keys()}
    for table in own():
        if table.get("world", "main") == name:
            tables["routes"] += table["routes"]
            tables["roles"] |= table.get("roles", {})
            tables["plans"] |= table.get("plans", {})
            keys |= {f"{table['name']}.{key}": fields for key, fields in table.get("keys", {}).items()}
    world = World(name, folder, tables)
    world.keys = asyncio.run(_create(load(tables), keys))
    now = int(time.time())
    world.keys["JWT"] = TOKENS.token(scope="items:read", sub="client-1", exp=now + PAST_SECONDS // 2)
    world.keys["JWT:expired"] = TOKENS.token(scope="items:read", iat=now - PAST_SECONDS // 2, exp=now - 3600)
    return world


def issuer_table(folder: Path) -> dict[str, Any]:
    """The issuer whose tokens every world accepts."""
    return {
        "id": "tokens", "issuer": TOKENS.issuer, "audiences": [AUDIENCE], "algorithms": ["RS256"],
        "jwks_file": str(TOKENS.publish(folder / "jwks.json")),
    }  # fmt: skip


def origin_routes() -> list[dict[str, Any]]:
    """A route per allow list of the shared origin cases."""
    return [
        {"id": f"origin-{number}", "path": f"/origin/{number}", "allow_referrers": list(allowed)}
        for number, allowed in enumerate(allow_lists())
    ]


def origin_keys() -> dict[str, dict[str, Any]]:
    """A key per allow list of the shared origin cases."""
    return {f"origin-{number}": {"allow_referrers": list(allowed)} for number, allowed in enumerate(allow_lists())}


def allow_lists() -> list[tuple[str, ...]]:
    """The different allow lists of the shared origin cases."""
    return list(dict.fromkeys(tuple(case["allow"]) for case in shared("origin")))


async def _create(configuration: Configuration, keys: Mapping[str, Case]) -> dict[str, str]:
    store = SqlStore(configuration.store_url)
    try:
        maker = _Maker(configuration, store)
        return {name: await maker.create(name, dict(fields)) for name, fields in keys.items()}
    finally:
        await store.close()


class _Maker:
    """Keys by the words of the tables: fields of a key, its `app`, and `state` for what has become of it."""

    def __init__(self, configuration: Configuration, store: SqlStore) -> None:
        plans = configuration.rules.plans
        self._store = store
        self._apps = ManageApps(store, SystemClock(), SystemRandom(), plans)
        self._now, self._past = (
            ManageKeys(
                store, clock, SystemRandom(), key_format=configuration.rules.key_format, peppers=configuration.peppers
            )
            for clock in (SystemClock(), PastClock())
        )
        self._app_ids: dict[str, str] = {}

    async def create(self, name: str, fields: Case) -> str:
        state, app_name = fields.pop("state", "active"), fields.pop("app", name)
        plan, owner = fields.pop("plan", None), fields.pop("owner", app_name)
        grants, environment = fields.pop("grants", {}), fields.pop("environment", "live")
        if app_name not in self._app_ids:
            app = await self._apps.create(ACTOR, AppFields(name=app_name, owner=owner, plan=plan))
            self._app_ids[app_name] = app.id
        app_id = self._app_ids[app_name]
        keys = self._past if state == "expired" else self._now
        if state == "expired":
            fields["expires_in"] = "1h"
        created = await keys.create(ACTOR, app_id, environment, KeyFields(**fields))
        for scope, ends in grants.items():
            await (self._past if ends == "past" else self._now).grant(ACTOR, created.record.id, scope, "1h")
        await self._bring_to(state, created.record.id, app_id)
        return created.text

    async def _bring_to(self, state: str, key_id: str, app_id: str) -> None:
        if state in ("disabled", "revoked", "deleted"):
            change = {"disabled": self._now.disable, "revoked": self._now.revoke, "deleted": self._now.delete}[state]
            await change(ACTOR, key_id)
        elif state == "app disabled":
            await self._apps.disable(ACTOR, app_id)
        elif state == "retired":
            async with self._store.transaction() as transaction:
                record = await transaction.keys.get(key_id)
                assert record is not None
                await transaction.keys.save(replace(record, retires_at=int(time.time()) - 1))
        else:
            assert state in ("active", "expired"), state
