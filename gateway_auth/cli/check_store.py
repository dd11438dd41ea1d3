"""What `doctor` finds out about the store: can it be used, is it whole, can its keys be verified. Changes nothing."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct, field

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.cli.checks import Check
from gateway_auth.cli.session import Session
from gateway_auth.config import Configuration
from gateway_auth.errors import StoreError

INTEGRITY_SECONDS = 5.0


class Census(Struct):
    """What is in the store. `newest` is when its last app or key was made, in UTC epoch seconds."""

    apps: int = 0
    keys: int = 0
    newest: int = 0
    unverifiable: int = 0
    outdated: int = 0
    shut_out: int = 0
    unknown_plans: Counter[str] = field(default_factory=Counter)


async def check_store(configuration: Configuration, pepper_ids: frozenset[str]) -> tuple[list[Check], int]:
    """The checks, and when the store was last added to (0 where that is not known)."""
    file = _sqlite_file(configuration.store_url)
    if file is not None and not file.exists():
        return [Check("store", "warning", f"there is none yet; {file} is made on first use")], 0
    store = SqlStore(configuration.store_url)
    try:
        await store.open()
        census = await _count(Session(configuration, store), configuration, pepper_ids)
    except StoreError as error:
        return [Check("store", "failed", str(error))], 0
    finally:
        await store.close()
    whole = [_integrity(file)] if file is not None else []
    return [*whole, *_about_census(census)], census.newest


async def _count(session: Session, configuration: Configuration, pepper_ids: frozenset[str]) -> Census:
    census = Census()
    async for app in session.apps.iterate():
        census.apps += 1
        census.newest = max(census.newest, app.created_at)
        if app.plan is not None and app.plan not in configuration.rules.plans:
            census.unknown_plans[app.plan] += 1
    async for key in session.keys.iterate():
        census.keys += 1
        census.newest = max(census.newest, key.created_at)
        if key.status != "revoked":
            census.unverifiable += key.pepper_id not in pepper_ids
            census.outdated += key.pepper_id != configuration.peppers.current_id
    async for admin in session.admins.iterate():
        census.shut_out += admin.status == "active" and admin.pepper_id not in pepper_ids
    return census


def _about_census(census: Census) -> Iterator[Check]:
    yield Check("store", "ok", f"opens at the right schema; {census.apps} apps, {census.keys} keys")
    if census.unverifiable:
        advice = "name it in secrets.previous_peppers, or replace the keys"
        yield Check("peppers", "failed", f"{census.unverifiable} keys were made with a pepper not configured: {advice}")
    if census.shut_out:
        advice = "name it in secrets.previous_peppers, or give them new tokens with `admins rotate`"
        yield Check("peppers", "failed", f"{census.shut_out} admins have tokens of a pepper not configured: {advice}")
    previous = census.outdated - census.unverifiable
    if previous:
        yield Check("peppers", "warning", f"{previous} keys still need a previous pepper; keep it until they were used")
    for plan, count in census.unknown_plans.items():
        advice = "their keys are refused until [plans] defines it"
        yield Check("plans", "failed", f'{count} apps are on plan "{plan}", which is not configured: {advice}')


def _integrity(file: Path) -> Check:
    """SQLite's own look at every page, which reads and never writes."""
    try:
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=INTEGRITY_SECONDS)
        try:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        return Check("integrity", "failed", f"{file} cannot be examined: {error}")
    if found != "ok":
        return Check("integrity", "failed", f"{file} is damaged ({found}); restore it from a backup")
    return Check("integrity", "ok", f"{file} is whole")


def _sqlite_file(url: str) -> Path | None:
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None
