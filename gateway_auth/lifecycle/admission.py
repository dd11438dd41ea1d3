"""Who an admin token speaks for. Asked on every request, so that a disabled admin is refused on the next one.

An API key or a token of an issuer is none of these, whatever it may do elsewhere.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from gateway_auth.core.actor import Actor
from gateway_auth.core.admins import AdminRecord, parse_admin_id
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.lifecycle.events import denied_event
from gateway_auth.lifecycle.sampling import PerMinute
from gateway_auth.ports import Clock, Registry

NOBODY = bytes(32)
MAX_NOTED = 60
"""How many refusals a minute stand in the audit: somebody who guesses must not fill the disk."""


class Refused(Struct, frozen=True):
    """Nobody may act. `disabled` is told only to who has the right token; `admin_id`: it claims to be that one."""

    why: Literal["unknown", "disabled"]
    admin_id: str | None = None


class Admission:
    """Reads the store once for a well-formed token, and never for anything else. Raises StoreUnavailable."""

    def __init__(self, registry: Registry, peppers: PepperRing, clock: Clock) -> None:
        self._registry = registry
        self._peppers = peppers
        self._clock = clock
        self._notes = PerMinute(MAX_NOTED, clock)

    async def admit(self, presented: bytes, *, request_id: str, address: str | None) -> Actor | Refused:
        """The admin who acts, from this address."""
        admin_id = parse_admin_id(presented)
        if admin_id is None:
            return Refused("unknown")
        async with self._registry.reading() as snapshot:
            admin = await snapshot.admins.get(admin_id)
        if admin is None:
            # As long as for a wrong secret: which ids there are is nobody's business.
            self._peppers.verify(presented, NOBODY, self._peppers.current_id)
            return Refused("unknown")
        if not self._peppers.verify(presented, admin.digest, admin.pepper_id):
            return Refused("unknown", admin_id)
        if admin.status != "active":
            return Refused("disabled", admin_id)
        if admin.pepper_id != self._peppers.current_id:
            await self._digest_anew(admin, presented)
        return acting(admin, request_id, address)

    async def note_refused(self, refused: Refused, *, request_id: str, address: str | None) -> None:
        """Put into the audit that a token of an admin there is was refused; at most so many a minute."""
        if refused.admin_id is None or not self._notes.may():
            return
        actor = Actor(kind="system", name="admin plane", request_id=request_id, address=address)
        async with self._registry.transaction() as transaction:
            await transaction.witness(denied_event(self._clock.now(), actor, "admin.authenticate", refused.admin_id))

    async def _digest_anew(self, admin: AdminRecord, presented: bytes) -> None:
        """Under the current pepper, so that the previous one can be taken away. No fact changes, so nobody is told."""
        async with self._registry.transaction() as transaction:
            now = await transaction.admins.get(admin.id)
            if now is not None and now.digest == admin.digest:
                fresh = replace(now, digest=self._peppers.digest(presented), pepper_id=self._peppers.current_id)
                await transaction.admins.save(fresh)


def acting(admin: AdminRecord, request_id: str, address: str | None) -> Actor:
    """The admin as the one who acts."""
    return Actor(
        kind="admin",
        name=admin.name,
        id=admin.id,
        role=admin.role,
        scopes=admin.may_grant_scopes,
        roles=admin.may_grant_roles,
        request_id=request_id,
        address=address,
    )
