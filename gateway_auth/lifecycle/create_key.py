"""How a key comes to be: its text, which holds the secret, and its record, which does not. It writes nothing."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct
from msgspec.structs import replace

from gateway_auth.core.actor import Actor
from gateway_auth.core.keyformat import KEY_IDS, SECRETS, KeyFormat, MintedKey
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.core.keys import KeyRecord
from gateway_auth.errors import Conflict
from gateway_auth.lifecycle.key_fields import KeyFields, default_expiry, with_fields
from gateway_auth.ports import KeyReader, Random

DRAWS = 8


class CreatedKey(Struct, frozen=True):
    """A new key. `text` is the only place its secret exists: show it once, then forget it."""

    text: str
    record: KeyRecord

    def __repr__(self) -> str:
        return f"CreatedKey(record={self.record!r})"


class KeyMint:
    """Makes keys of one configuration. `max_lifetime_days` 0 lets them live for ever."""

    def __init__(self, random: Random, key_format: KeyFormat, peppers: PepperRing, max_lifetime_days: int) -> None:
        self._random = random
        self._format = key_format
        self._peppers = peppers
        self.max_lifetime_days = max_lifetime_days

    def draw(self, environment: Literal["live", "test"]) -> MintedKey:
        """Text and id, from chance alone."""
        return self._format.mint(environment, self._random.below(KEY_IDS), self._random.below(SECRETS))

    async def draw_unused(self, keys: KeyReader, environment: Literal["live", "test"]) -> MintedKey:
        """Text and id of nobody yet. Raises Conflict where chance is none."""
        for _ in range(DRAWS):
            minted = self.draw(environment)
            if await keys.get(minted.key_id) is None:
                return minted
        raise Conflict("no free key id was drawn; the random source repeats itself")

    def fresh(
        self, app_id: str, environment: Literal["live", "test"], actor: Actor, fields: KeyFields, now: float
    ) -> KeyRecord:
        """The record of a key that is not drawn yet."""
        return self._with_fields(self.blank(app_id, environment, actor, now), fields, now)

    def blank(self, app_id: str, environment: Literal["live", "test"], actor: Actor, now: float) -> KeyRecord:
        """The record of a key that is not drawn yet: what it will be whatever its fields are."""
        return KeyRecord(
            id="",
            app_id=app_id,
            environment=environment,
            digest=b"",
            pepper_id=self._peppers.current_id,
            created_at=int(now),
            created_by=str(actor),
        )

    def _with_fields(self, blank: KeyRecord, fields: KeyFields, now: float) -> KeyRecord:
        """The record with checked fields. Where no end is given, the longest life allowed is the end."""
        ends_by_default = fields.expires_in is UNSET and fields.expires_at is UNSET
        end = default_expiry(blank.created_at, self.max_lifetime_days) if ends_by_default else None
        return with_fields(replace(blank, expires_at=end), fields, now, self.max_lifetime_days)

    def sealed(self, record: KeyRecord, minted: MintedKey) -> CreatedKey:
        """The record under the id that was drawn, with the digest of the text instead of the text."""
        digest = self._peppers.digest(minted.text.encode("ascii"))
        return CreatedKey(minted.text, replace(record, id=minted.key_id, digest=digest))
