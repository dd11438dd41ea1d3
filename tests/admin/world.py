"""An admin plane over a registry in memory, admins of every role, and a client that asks as one of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx2
from msgspec.structs import replace

from gateway_auth.adapters.memory_registry import MemoryRegistry
from gateway_auth.admin import build_admin_app
from gateway_auth.admin.plane import AdminPlane
from gateway_auth.core.actor import Actor
from gateway_auth.core.audit import AuditHead
from gateway_auth.core.issuer import Issuer
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.core.keys import AppRecord
from gateway_auth.core.rates import parse_rate
from gateway_auth.engine.brake import Brake
from gateway_auth.lifecycle.admins import ManageAdmins
from gateway_auth.lifecycle.admission import Admission
from gateway_auth.lifecycle.apps import AppFields, ManageApps
from gateway_auth.lifecycle.create_key import CreatedKey
from gateway_auth.lifecycle.key_fields import KeyFields
from gateway_auth.lifecycle.keys import ManageKeys
from gateway_auth.lifecycle.workplace import Tools
from gateway_auth.ports import Registry
from tests.lifecycle.world import PEPPER, ManualClock, ScriptedRandom

SHELL = Actor(kind="cli", name="alice")
ROLES = ("admin", "operator", "auditor", "developer")
BASE_URL = "http://127.0.0.1:8081"
ISSUER = Issuer(id="corp", issuer="https://idp.example.com", audiences=frozenset(("orders",)), algorithms=("RS256",))


class AdminWorld:
    """`tokens` are by role; the developer `dev` may hand on `orders:read`, and no role."""

    def __init__(self, *, registry: Registry | None = None, max_active_per_app: int = 0) -> None:
        self.memory = MemoryRegistry()
        self.registry: Registry = registry or self.memory
        self.clock = ManualClock()
        self.random = ScriptedRandom()
        self.peppers = PepperRing(PEPPER)
        self.tools = Tools(
            registry=self.registry,
            usage=self.memory,
            clock=self.clock,
            random=self.random,
            key_format=KeyFormat(),
            peppers=self.peppers,
            max_active_per_app=max_active_per_app,
            plans=frozenset(("free",)),
            issuers=(ISSUER,),
        )
        self.admins = ManageAdmins(self.registry, self.clock, self.random, self.peppers)
        self.apps = ManageApps(self.registry, self.clock, self.random, self.tools.plans)
        self.keys = ManageKeys(
            self.registry, self.clock, self.random, key_format=self.tools.key_format, peppers=self.peppers
        )
        self.health = {"store": "ok"}
        self.tokens: dict[str, str] = {}
        self.app = build_admin_app(
            AdminPlane(
                tools=self.tools,
                admission=Admission(self.registry, self.peppers, self.clock),
                brake=Brake(parse_rate("20/minute"), self.clock),
                health=self._health,
                audit_head=self._audit_head,
                hosts=frozenset(("gateway-admin.internal",)),
            )
        )
        self.client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=self.app, client=("192.0.2.7", 1234)), base_url=BASE_URL
        )

    async def populate(self) -> None:
        """One admin of each role."""
        for role in ROLES:
            name = "dev" if role == "developer" else role
            scopes = ["orders:read"] if role == "developer" else None
            self.tokens[role] = (await self.admins.create(SHELL, name, role, scopes)).text

    async def close(self) -> None:
        """Leave."""
        await self.client.aclose()

    async def an_app(self, owner: str = "", name: str = "shop") -> AppRecord:
        """An app of this owner."""
        return await self.apps.create(SHELL, AppFields(name=name, owner=owner))

    async def a_key(self, app: AppRecord, *scopes: str) -> CreatedKey:
        """A key of it."""
        return await self.keys.create(SHELL, app.id, "live", KeyFields(scopes=scopes or ("orders:read",)))

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        role: str | None = "admin",
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> httpx2.Response:
        """The answer to a request of somebody of this role; None carries no token."""
        given = dict(headers or {})
        if role is not None:
            given.setdefault("authorization", f"Bearer {self.tokens[role]}")
        if body is not None:
            content = json.dumps(body).encode()
        if content is not None:
            given.setdefault("content-type", "application/json")
        lines = [(name.encode(), value.encode("latin-1")) for name, value in given.items()]
        return await self.client.request(method, path, content=content, headers=lines, params=params)

    async def actions(self) -> list[tuple[str, str, str]]:
        """(actor, action, outcome) of the audit, oldest first."""
        return [(event.actor, event.action, event.outcome) for event in self.memory.audit]

    async def _health(self) -> dict[str, str]:
        return self.health

    async def _audit_head(self) -> AuditHead:
        async with self.registry.reading() as snapshot:
            return (await snapshot.audit.standing()).head


def code(response: httpx2.Response) -> str:
    """The code of a problem, checked to be one."""
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["status"] == response.status_code
    assert problem["request_id"] == response.headers["x-request-id"]
    return str(problem["code"])


def renamed(app: AppRecord, name: str) -> AppRecord:
    """The app under another name."""
    return replace(app, name=name)
