"""What a scan tells, one after the other as it goes: secrets, and what could not be looked at."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from gateway_auth.core.leaks import Leak


class Place(Struct, frozen=True):
    """What was read: a file, a `member` of an archive, or an `object` of git (its id) with the path it had."""

    path: str
    member: str | None = None
    object: str | None = None


class Finding(Struct, frozen=True):
    """A secret at a line and column, both from 1; columns count characters of UTF-16, else bytes.

    `is_allowed`: its line carries the marker that says it may stand there. `status` is what a store knows of it.
    """

    place: Place
    line: int
    column: int
    leak: Leak
    is_allowed: bool = False
    status: str | None = None

    def renamed(self, path: str) -> Finding:
        """The same in a file that was named otherwise."""
        return replace(self, place=replace(self.place, path=path))


class Unseen(Struct, frozen=True):
    """What was not looked at, and why. `is_failure`: it should have been, so nobody can say there is nothing in it."""

    path: str
    why: str
    is_failure: bool = True

    def renamed(self, path: str) -> Unseen:
        """The same of a file that was named otherwise."""
        return replace(self, path=path)


Event: TypeAlias = Finding | Unseen
