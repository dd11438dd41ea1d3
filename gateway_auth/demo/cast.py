"""Who appears in the demo: two apps and their keys, made by the same use cases as anybody's. It prints nothing."""

from __future__ import annotations

from msgspec import Struct

from gateway_auth.adapters.system import SystemClock, SystemRandom
from gateway_auth.config import Configuration
from gateway_auth.core.actor import Actor
from gateway_auth.core.keys import AppRecord
from gateway_auth.errors import Conflict
from gateway_auth.lifecycle.admins import ManageAdmins
from gateway_auth.lifecycle.apps import AppFields, ManageApps
from gateway_auth.lifecycle.create_key import CreatedKey
from gateway_auth.lifecycle.key_fields import KeyFields
from gateway_auth.lifecycle.keys import ManageKeys
from gateway_auth.ports import Clock, Registry

ACTOR = Actor(kind="system", name="demo")
DAY_SECONDS = 86400
ELSEWHERE = "192.0.2.0/24"
"""A network for documentation (RFC 5737), from which no request ever comes."""

READER = KeyFields(name="reader", roles=["reader"])
WRITER = KeyFields(name="writer", scopes=["orders:read", "orders:write"])
ANALYST = KeyFields(name="analyst", roles=["analyst"])
OFFICE = KeyFields(name="office", scopes=["orders:read"], allow_networks=[ELSEWHERE])
DISABLED = KeyFields(name="disabled", scopes=["orders:read"])
EXPIRED = KeyFields(name="expired", scopes=["orders:read"], expires_in="1d")
TRIAL = KeyFields(name="trial", scopes=["orders:read"])


class DemoKey(Struct, frozen=True):
    """A key with its text, and what is special about it."""

    name: str
    key_id: str
    text: str
    about: str

    def __repr__(self) -> str:
        return f"DemoKey(name={self.name!r}, key_id={self.key_id!r})"


class DaysAgo(SystemClock):
    """The time two days ago, to create what has expired by now."""

    def now(self) -> float:
        """UTC epoch seconds."""
        return super().now() - 2 * DAY_SECONDS


async def make_keys(registry: Registry, configuration: Configuration) -> dict[str, DemoKey]:
    """Fresh keys by name. Apps of an earlier demo in the same store go, with their keys; nothing else does."""
    apps = ManageApps(registry, SystemClock(), SystemRandom(), configuration.rules.plans)
    for old in [app async for app in apps.iterate() if app.created_by == str(ACTOR)]:
        await apps.delete(ACTOR, old.id)
    shop = await apps.create(ACTOR, AppFields(name="shop", owner="shop@example.com", project="demo"))
    trial = await apps.create(ACTOR, AppFields(name="trial", project="demo", plan="trial"))
    now, before = _keys(registry, configuration, SystemClock()), _keys(registry, configuration, DaysAgo())
    made = [
        await _make(now, shop, READER, "role reader, which stands for scope orders:read"),
        await _make(now, shop, WRITER, "scopes orders:read and orders:write"),
        await _make(now, shop, ANALYST, "role analyst: may read reports"),
        await _make(now, shop, OFFICE, f"works only from {ELSEWHERE}, where you are not"),
        await _make(now, shop, DISABLED, "switched off"),
        await _make(before, shop, EXPIRED, "expired yesterday"),
        await _make(now, trial, TRIAL, "its app is on plan trial: one request a minute"),
    ]
    keys = {key.name: key for key in made}
    await now.disable(ACTOR, keys["disabled"].key_id)
    return keys


async def make_admin(registry: Registry, configuration: Configuration) -> str:
    """A token of role admin; that of an earlier demo in the same store is refused from now on."""
    admins = ManageAdmins(registry, SystemClock(), SystemRandom(), configuration.peppers)
    try:
        issued = await admins.create(ACTOR, ACTOR.name, "admin")
    except Conflict:
        issued = await admins.rotate(ACTOR, ACTOR.name)
    return issued.text


def _keys(registry: Registry, configuration: Configuration, clock: Clock) -> ManageKeys:
    return ManageKeys(
        registry,
        clock,
        SystemRandom(),
        key_format=configuration.rules.key_format,
        peppers=configuration.peppers,
        max_lifetime_days=configuration.api_keys.max_lifetime_days,
    )


async def _make(keys: ManageKeys, app: AppRecord, fields: KeyFields, about: str) -> DemoKey:
    created: CreatedKey = await keys.create(ACTOR, app.id, "live", fields)
    return DemoKey(created.record.name, created.record.id, created.text, about)
