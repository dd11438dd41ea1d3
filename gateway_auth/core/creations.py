"""What is remembered of a creation, so that asking for it twice creates once. Never the secret that was created."""

from __future__ import annotations

from msgspec import Struct

KEEP_SECONDS = 86400
"""A request repeated after so long counts as another one."""


class Creation(Struct, frozen=True, kw_only=True):
    """What an admin created under an `Idempotency-Key`.

    `name` is the SHA-256 (hex) of that key, `request` of what was asked for. `answer` is the object's public fields as
    JSON. `salt`: what the secret can be made of again, together with the pepper and what only who asked has.
    """

    actor_id: str
    name: str
    request: str
    object_id: str
    answer: str
    salt: bytes
    at: int
