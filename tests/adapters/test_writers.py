"""Several processes manage the same keys at once: every change they were answered is in the audit, exactly once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway_auth.core.audit import EVERYTHING, AuditRecord
from gateway_auth.core.keys import KeyRecord
from gateway_auth.lifecycle.verify_audit import Verified, verify_audit
from gateway_auth.ports import AuditedSnapshot
from tests.adapters.stores import place_for, sql_store, url_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
WRITERS = 8
SECONDS = float(os.environ.get("GATEWAY_AUTH_WRITING", "1"))
"""For how long they write. Longer shows more."""
OF_A_CHANGE = 2
"""Records at most: a rotation's."""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return url_of(request.param, place_for(request, tmp_path))


def manage(url: str, folder: Path, *words: str) -> tuple[int, Counter[str]]:
    """How many were killed, and what writers were answered."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.adapters.manage", url, str(WRITERS), str(SECONDS), *words],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        timeout=SECONDS + 120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answered: Counter[str] = Counter()
    for file in folder.iterdir():
        if file.name.isdecimal():
            answered.update(file.read_text("ascii").splitlines())
    return int(done.stdout), answered


async def found(url: str) -> tuple[list[AuditRecord], list[KeyRecord]]:
    """All records of the audit, of a chain that holds, and all keys."""
    async with sql_store(url) as store:
        verdict = await verify_audit(store)
        assert isinstance(verdict, Verified), verdict
        async with store.reading() as snapshot:
            records = await read_all(snapshot)
            keys = list(await snapshot.keys.page(limit=100_000))
            assert len(records) == verdict.count == await store.current_revision()
    return records, keys


async def read_all(snapshot: AuditedSnapshot) -> list[AuditRecord]:
    records: list[AuditRecord] = []
    while page := await snapshot.audit.page(EVERYTHING, limit=5000, after=len(records)):
        records += [sealed.record for sealed in page]
    return records


def told(records: Sequence[AuditRecord]) -> Counter[str]:
    return Counter(f"{record.action} {record.object_id}" for record in records if record.action != "app.create")


def assert_keys_are_what_the_records_say(records: Sequence[AuditRecord], keys: Sequence[KeyRecord]) -> None:
    """No key without its creation, none that is gone without its tombstone, no half of a rotation."""
    actions: dict[str, Counter[str]] = {}
    for record in records:
        actions.setdefault(record.object_id, Counter())[record.action] += 1
    there = {key.id for key in keys}
    for object_id, seen in actions.items():
        if "key.create" in seen:
            assert seen["key.create"] == 1
            assert seen["key.delete"] == (object_id not in there)
    assert there <= actions.keys()
    rotated = {record.object_id for record in records if record.action == "key.rotate"}
    assert {key.rotated_from for key in keys if key.rotated_from} <= rotated
    assert all((key.retires_at is not None) == (key.id in rotated) for key in keys)


async def test_each_change_of_eight_writers_is_recorded_exactly_once(url: str, tmp_path: Path) -> None:
    _, answered = manage(url, tmp_path)
    records, keys = await found(url)
    assert told(records) == answered
    assert answered.total() >= WRITERS
    assert_keys_are_what_the_records_say(records, keys)


async def test_writers_that_are_killed_leave_whole_changes(url: str, tmp_path: Path) -> None:
    killed, answered = manage(url, tmp_path, "kill")
    assert killed > 1
    records, keys = await found(url)
    unanswered = told(records) - answered
    # Whoever was killed between the commit and its line has made the change.
    assert answered - told(records) == Counter()
    assert sum(unanswered.values()) <= killed * OF_A_CHANGE
    assert_keys_are_what_the_records_say(records, keys)
