"""What can be done with admins: only the command line does it. Knows no command line, no HTTP and no database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from gateway_auth.core.actor import Actor, Role
from gateway_auth.core.admins import ROLES, AdminRecord, mint_id, mint_token
from gateway_auth.core.keyformat import KEY_IDS, SECRETS
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.errors import Conflict, InvalidInput, NotFound
from gateway_auth.lifecycle.events import admin_event
from gateway_auth.lifecycle.input import MAX_PAGE, check_roles, check_scopes, check_text
from gateway_auth.ports import AdminReader, Clock, Random, Registry, Transaction


class IssuedToken(Struct, frozen=True):
    """An admin with a new token. `text` is the only place it exists: show it once, then forget it."""

    text: str
    record: AdminRecord

    def __repr__(self) -> str:
        return f"IssuedToken(record={self.record!r})"


class ManageAdmins:
    """Admins, one operation per method. There is no deletion: a name, to which apps may belong, is nobody else's ever.

    `actor` says who acts, for the audit. Every method raises StoreUnavailable for an outage, NotFound for a name
    nobody has, InvalidInput for a value that cannot be.
    """

    def __init__(self, registry: Registry, clock: Clock, random: Random, peppers: PepperRing) -> None:
        self._registry = registry
        self._clock = clock
        self._random = random
        self._peppers = peppers

    async def create(
        self,
        actor: Actor,
        name: str,
        role: str,
        may_grant_scopes: Iterable[str] | None = None,
        may_grant_roles: Iterable[str] | None = None,
    ) -> IssuedToken:
        """A new, active admin with its token. Without bounds its keys may have any rights; a developer's none."""
        checked_role = _check_role(role)
        bounds = _bounds(checked_role, may_grant_scopes, may_grant_roles)
        checked_name = check_text("name", name, may_be_empty=False)
        async with self._registry.transaction() as transaction:
            if await transaction.admins.named(checked_name) is not None:
                raise Conflict(f"there is an admin {checked_name} already; names are never used twice")
            now = self._clock.now()
            blank = AdminRecord(
                id=mint_id(self._random.below(KEY_IDS)),
                name=checked_name,
                role=checked_role,
                digest=b"",
                pepper_id="",
                may_grant_scopes=bounds[0],
                may_grant_roles=bounds[1],
                created_at=int(now),
                created_by=str(actor),
            )
            issued = self._issue(blank)
            await transaction.admins.save(issued.record)
            await transaction.witness(admin_event(now, actor, "create", None, issued.record))
        return issued

    async def iterate(self) -> AsyncIterator[AdminRecord]:
        """Every admin in order of id, read page by page."""
        after = ""
        while True:
            async with self._registry.reading() as snapshot:
                page = await snapshot.admins.page(limit=MAX_PAGE, after=after)
            for admin in page:
                yield admin
            if len(page) < MAX_PAGE:
                return
            after = page[-1].id

    async def update(
        self,
        actor: Actor,
        named: str,
        role: str | None = None,
        may_grant_scopes: Iterable[str] | None = None,
        may_grant_roles: Iterable[str] | None = None,
    ) -> AdminRecord:
        """Another role, other bounds. Bounds that are not given stay; who becomes a developer has some at any rate."""
        async with self._registry.transaction() as transaction:
            before = await _existing_admin(transaction.admins, named)
            new_role = before.role if role is None else _check_role(role)
            bounds = before.may_grant_scopes, before.may_grant_roles
            if may_grant_scopes is not None or may_grant_roles is not None or None in bounds:
                bounds = _bounds(new_role, may_grant_scopes, may_grant_roles)
            after = replace(before, role=new_role, may_grant_scopes=bounds[0], may_grant_roles=bounds[1])
            return await self._save(transaction, actor, "update", before, after)

    async def disable(self, actor: Actor, named: str) -> AdminRecord:
        """Refuse its token from the next request on. Nothing happens to one that is disabled."""
        return await self._set_status(actor, "disable", named, "disabled")

    async def enable(self, actor: Actor, named: str) -> AdminRecord:
        """Accept its token again. Nothing happens to one that is active."""
        return await self._set_status(actor, "enable", named, "active")

    async def rotate(self, actor: Actor, named: str) -> IssuedToken:
        """A new token in place of the old one, which is refused from now on."""
        async with self._registry.transaction() as transaction:
            before = await _existing_admin(transaction.admins, named)
            issued = self._issue(before)
            await transaction.admins.save(issued.record)
            await transaction.witness(admin_event(self._clock.now(), actor, "rotate", before, issued.record))
        return issued

    def _issue(self, admin: AdminRecord) -> IssuedToken:
        text = mint_token(admin.id, self._random.below(SECRETS))
        digest = self._peppers.digest(text.encode("ascii"))
        return IssuedToken(text, replace(admin, digest=digest, pepper_id=self._peppers.current_id))

    async def _set_status(
        self, actor: Actor, action: str, named: str, status: Literal["active", "disabled"]
    ) -> AdminRecord:
        async with self._registry.transaction() as transaction:
            before = await _existing_admin(transaction.admins, named)
            return await self._save(transaction, actor, action, before, replace(before, status=status))

    async def _save(
        self, transaction: Transaction, actor: Actor, action: str, before: AdminRecord, after: AdminRecord
    ) -> AdminRecord:
        if after != before:
            await transaction.admins.save(after)
            await transaction.witness(admin_event(self._clock.now(), actor, action, before, after))
        return after


async def _existing_admin(admins: AdminReader, named: str) -> AdminRecord:
    """The admin of this id or name, or NotFound."""
    text = named if named.isprintable() else ""
    admin = await admins.get(text) or await admins.named(text)
    if admin is None:
        raise NotFound(f"there is no admin {named[:64]}; `gateway-auth admins list` shows all")
    return admin


def _check_role(text: str) -> Role:
    for role in ROLES:
        if text == role:
            return role
    raise InvalidInput("role", f"must be one of {', '.join(ROLES)}")


def _bounds(
    role: Role, scopes: Iterable[str] | None, roles: Iterable[str] | None
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """What keys may be given. Of a developer nothing that was not named; of others whatever there is, unless named.

    Naming one of the two bounds both: else a role could stand for the scopes that were left out.
    """
    if role != "developer" and scopes is None and roles is None:
        return None, None
    try:
        return check_scopes(scopes or ()), check_roles(roles or ())
    except InvalidInput as error:
        raise InvalidInput(f"may_grant_{error.field}", error.message) from None
