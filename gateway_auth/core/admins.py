"""Admins: who may use the admin plane, as stored, and the text form of their tokens. It verifies nothing.

`gwadm_<12 id>_<32 secret><6 checksum>`, in base62 and with the checksum of API keys, so garbage is refused without
asking the store and a scanner tells a token from a look-alike. The id is the admin's own.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from gateway_auth.core.actor import Role
from gateway_auth.core.keyformat import CHECKSUM_LENGTH, KEY_ID_LENGTH, SECRET_LENGTH, base62, checksum

PREFIX = "gwadm"
ROLES: tuple[Role, ...] = ("admin", "operator", "auditor", "developer")

_PATTERN = re.compile(rb"gwadm_([0-9A-Za-z]{12})_[0-9A-Za-z]{38}")


class AdminRecord(Struct, frozen=True, kw_only=True):
    """An admin as stored. `digest` is HMAC-SHA-256 of the token under the pepper of `pepper_id`.

    `may_grant_scopes` and `may_grant_roles` are what their keys may have at most; None is no bound. No two admins
    have one name, also over time: to a developer belongs every app whose owner is that name.
    """

    id: str
    name: str
    role: Role
    status: Literal["active", "disabled"] = "active"
    digest: bytes
    pepper_id: str
    may_grant_scopes: tuple[str, ...] | None = None
    may_grant_roles: tuple[str, ...] | None = None
    created_at: int
    created_by: str

    def __repr__(self) -> str:
        return f"AdminRecord(id={self.id!r}, role={self.role!r}, status={self.status!r})"


def mint_token(admin_id: str, secret_number: int) -> str:
    """The token of an admin, made of a number uniform below `keyformat.SECRETS`."""
    body = f"{PREFIX}_{admin_id}_{base62(secret_number, SECRET_LENGTH)}"
    return body + checksum(body.encode())


def mint_id(number: int) -> str:
    """An admin's id, made of a number uniform below `keyformat.KEY_IDS`."""
    return base62(number, KEY_ID_LENGTH)


def parse_admin_id(presented: bytes) -> str | None:
    """The id in a well-formed token with a right checksum, else None. Exact bytes: nothing is trimmed."""
    match = _PATTERN.fullmatch(presented)
    if match is None or checksum(presented[:-CHECKSUM_LENGTH]).encode() != presented[-CHECKSUM_LENGTH:]:
        return None
    return match.group(1).decode("ascii")
