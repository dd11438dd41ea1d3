"""The records of one transaction on the memory registry, by kind: what it wrote over what is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar

from gateway_auth.core.admins import AdminRecord
from gateway_auth.core.creations import Creation
from gateway_auth.core.keys import AppRecord, KeyRecord, status_at
from gateway_auth.core.token import Revocation

R = TypeVar("R", bound=AppRecord | KeyRecord | AdminRecord)

Recorded = tuple[int, Revocation]


class Staged(Generic[R]):
    """Records as one transaction sees them: what it wrote over what is there. None stands for deleted."""

    def __init__(self, there: Mapping[str, R]) -> None:
        self._there = there
        self.written: dict[str, R | None] = {}

    async def get(self, object_id: str) -> R | None:
        if object_id in self.written:
            return self.written[object_id]
        return self._there.get(object_id)

    async def save(self, record: R) -> None:
        self.written[record.id] = record

    async def delete(self, object_id: str) -> None:
        self.written[object_id] = None

    def _after(self, after: str) -> Iterator[R]:
        for object_id in sorted(self._there.keys() | self.written.keys()):
            record = self.written[object_id] if object_id in self.written else self._there[object_id]
            if object_id > after and record is not None:
                yield record


class MemoryApps(Staged[AppRecord]):
    """ports.Apps."""

    async def page(self, *, limit: int, after: str = "", owner: str | None = None) -> Sequence[AppRecord]:
        """Apps in order of id, of one owner or of all."""
        return list(islice((app for app in self._after(after) if owner in (None, app.owner)), limit))

    async def of_owner(self, owner: str) -> frozenset[str]:
        """The ids of all apps of an owner."""
        return frozenset(app.id for app in self._after("") if app.owner == owner)


class MemoryKeys(Staged[KeyRecord]):
    """ports.Keys."""

    def __init__(self, there: Mapping[str, KeyRecord], apps: MemoryApps) -> None:
        super().__init__(there)
        self._apps = apps

    async def page(
        self, *, limit: int, after: str = "", app_id: str | None = None, owner: str | None = None
    ) -> Sequence[KeyRecord]:
        """Keys in order of id, of one app or owner or of all."""
        owned = None if owner is None else await self._apps.of_owner(owner)
        chosen = (
            key for key in self._after(after) if app_id in (None, key.app_id) and (owned is None or key.app_id in owned)
        )
        return list(islice(chosen, limit))

    async def count_active(self, app_id: str, *, now: float, at_most: int) -> int:
        """Those of the app that go on working; counting ends at `at_most`."""
        chosen = (key for key in self._active(now) if key.app_id == app_id and key.retires_at is None)
        return sum(1 for _ in islice(chosen, at_most))

    async def unused(self, *, since: float, now: float, limit: int, after: str = "") -> Sequence[KeyRecord]:
        """Active, and neither used nor created since."""
        chosen = (key for key in self._active(now, after) if (key.last_used_at or key.created_at) < since)
        return list(islice(chosen, limit))

    async def due(
        self, *, created_before: float, ends_before: float, now: float, limit: int, after: str = ""
    ) -> Sequence[KeyRecord]:
        """Active, not rotated, and old or about to expire."""
        chosen = (
            key
            for key in self._active(now, after)
            if key.retires_at is None
            and (key.created_at < created_before or (key.expires_at is not None and key.expires_at < ends_before))
        )
        return list(islice(chosen, limit))

    def _active(self, now: float, after: str = "") -> Iterator[KeyRecord]:
        return (key for key in self._after(after) if status_at(key, now) == "active")


class MemoryAdmins(Staged[AdminRecord]):
    """ports.Admins."""

    async def named(self, name: str) -> AdminRecord | None:
        """The admin of this name."""
        return next((admin for admin in self._after("") if admin.name == name), None)

    async def page(self, *, limit: int, after: str = "") -> Sequence[AdminRecord]:
        """Admins in order of id."""
        return list(islice(self._after(after), limit))


class MemoryCreations:
    """ports.Creations. `kept` is what there is after the transaction."""

    def __init__(self, there: Iterable[Creation]) -> None:
        self.kept = list(there)

    async def get(self, actor_id: str, name: str) -> Creation | None:
        """What this actor created under this name."""
        return next((one for one in self.kept if (one.actor_id, one.name) == (actor_id, name)), None)

    async def save(self, creation: Creation) -> None:
        """Add one."""
        self.kept.append(creation)

    async def prune(self, before: float) -> None:
        """Forget those from before a time (epoch seconds)."""
        self.kept = [one for one in self.kept if one.at >= int(before)]


class MemoryRevocations:
    """ports.Revocations. `kept` is what there is after the transaction, each with the revision it was recorded as."""

    def __init__(self, there: Iterable[Recorded]) -> None:
        self.kept = list(there)

    async def save(self, revocation: Revocation, revision: int) -> None:
        """Add one, recorded as this revision."""
        self.kept.append((revision, revocation))

    async def prune(self, before: float) -> int:
        """Forget those that ended before a time; returns how many."""
        count = len(self.kept)
        self.kept = [(revision, entry) for revision, entry in self.kept if entry.expires_at >= before]
        return count - len(self.kept)
