"""Who acts in a management change, and from where. What they may do is decided elsewhere."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

ActorKind = Literal["cli", "admin", "system", "disclosure"]
Role = Literal["admin", "operator", "auditor", "developer"]


class Actor(Struct, frozen=True, kw_only=True):
    """`cli`: a user of this machine; `admin`: somebody the admin plane knows; `system`: the program itself;
    `disclosure`: a partner whose signed report of leaked secrets was believed.

    `id` and `role` are those of an admin, `scopes` and `roles` what an admin may hand on (None: whatever there is).
    `request_id` and `address` say how they asked, where that was over HTTP.
    Its text, `cli:alice`, is what the audit and `created_by` keep.
    """

    kind: ActorKind
    name: str
    id: str | None = None
    role: Role | None = None
    scopes: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    request_id: str | None = None
    address: str | None = None

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"
