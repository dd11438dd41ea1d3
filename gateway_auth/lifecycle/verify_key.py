"""What a presented text is, for operators: which key, and whether it would work. Never for clients.

A client learns less (`core.decide`): here somebody with the right to read keys asks.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from gateway_auth.core.imported import may_be_imported, proving_messages
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.core.keys import AppRecord, KeyRecord, status_at
from gateway_auth.lifecycle.views import View, key_view
from gateway_auth.ports import Snapshot

CheckOutcome = Literal["valid", "not_a_key", "unknown_key", "wrong_secret"]


class KeyCheck(Struct, frozen=True):
    """What was found. `key` and `app`: the secret was right. `key_id`: the text has one."""

    outcome: CheckOutcome
    key_id: str | None = None
    key: KeyRecord | None = None
    app: AppRecord | None = None


async def check_key(
    snapshot: Snapshot, presented_key: str, key_format: KeyFormat, peppers: PepperRing, *, accepts_imported: bool
) -> KeyCheck:
    """Find out about `presented_key`, without spaces and line ends around it."""
    presented = presented_key.strip().encode("utf-8", "replace")
    key_id = key_format.parse_key_id(presented)
    if key_id is None:
        return await _check_imported(snapshot, presented, peppers) if accepts_imported else KeyCheck("not_a_key")
    key = await snapshot.keys.get(key_id)
    if key is None:
        return KeyCheck("unknown_key", key_id)
    if not peppers.verify(presented, key.digest, key.pepper_id):
        return KeyCheck("wrong_secret", key_id)
    return KeyCheck("valid", key_id, key, await snapshot.apps.get(key.app_id))


async def _check_imported(snapshot: Snapshot, presented: bytes, peppers: PepperRing) -> KeyCheck:
    """One that was issued elsewhere. Where a slow hash is all that is known, nothing is said before its first use."""
    if not may_be_imported(presented):
        return KeyCheck("not_a_key")
    lookups = [digest for message in proving_messages(presented) for digest in peppers.digests(message)]
    for found in await snapshot.imported.find(lookups):
        key = await snapshot.keys.get(found.key_id) if found.slow_kind is None else None
        if key is not None:
            return KeyCheck("valid", key.id, key, await snapshot.apps.get(key.app_id))
    return KeyCheck("not_a_key")


def check_view(check: KeyCheck, now: float) -> View:
    """What people see: `outcome`, `usable`; for a right secret also the key's fields and `app_status`."""
    if check.key is None or check.app is None:
        return {"outcome": check.outcome, "usable": False, "id": check.key_id}
    return {
        "outcome": check.outcome,
        "usable": is_usable(check.key, check.app, now),
        "app_status": check.app.status,
        **key_view(check.key, now),
    }


def is_usable(key: KeyRecord, app: AppRecord, now: float) -> bool:
    """Whether a request with this key would pass the checks of its state; restrictions are not looked at."""
    has_begun = key.not_before is None or key.not_before <= now
    return status_at(key, now) == "active" and app.status == "active" and has_begun
