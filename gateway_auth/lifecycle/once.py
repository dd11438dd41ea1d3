"""Creating once what is asked for several times, with one answer, although its secret is kept nowhere.

What is kept for a day is the object's public fields and a salt. The secret of a new key is drawn by a chance that can
be repeated: from the salt, the pepper, the idempotency key and the admin's own token. Neither the store nor the store
with the pepper is enough to make it again; who asked is there again when it has to be.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b, sha256

import msgspec
from msgspec import Struct

from gateway_auth.core.creations import KEEP_SECONDS, Creation
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.errors import LifecycleError, RepeatedOtherwise
from gateway_auth.lifecycle.bounds import BoundedRegistry, BoundedSnapshot, BoundedTransaction
from gateway_auth.lifecycle.views import View
from gateway_auth.ports import Clock, Random

SALT_BYTES = 32
_DOMAIN = b"gateway-auth repeatable secret 1\0"


class Once(Struct, frozen=True):
    """A request that may come several times: from whom, under which key, and what it asks for.

    `credential` is what only the admin has, in the form it came; `request` everything that makes it another request.
    """

    actor_id: str
    idempotency_key: str
    request: bytes
    credential: bytes

    def __repr__(self) -> str:
        return f"Once(actor_id={self.actor_id!r})"

    @property
    def name(self) -> str:
        """What it is remembered by."""
        return sha256(self.idempotency_key.encode()).hexdigest()


class CreatedBefore(LifecycleError):
    """It was created already: this is it. Nothing was changed now."""

    def __init__(self, creation: Creation) -> None:
        self.creation = creation
        super().__init__("it was created already")


class RepeatableRandom:
    """`ports.Random` that draws the same numbers again for the same seed. Who does not know the seed cannot tell."""

    def __init__(self, once: Once, salt: bytes, peppers: PepperRing) -> None:
        parts = (once.name.encode(), sha256(once.credential).digest(), salt)
        self._seed = peppers.digest(_DOMAIN + b"".join(parts))
        self._drawn = 0

    def below(self, limit: int) -> int:
        """A uniform number in [0, limit): of 512 bits, so that the rest of the division shows nowhere."""
        if limit.bit_length() > 256:
            raise ValueError("more than can be drawn evenly")
        self._drawn += 1
        block = blake2b(self._drawn.to_bytes(8), key=self._seed, digest_size=64).digest()
        return int.from_bytes(block) % limit


class OnceRegistry:
    """`ports.Registry` that remembers what was created in a transaction, in the same transaction."""

    def __init__(self, registry: BoundedRegistry, once: Once, salt: bytes, clock: Clock) -> None:
        self._registry = registry
        self._once = once
        self._salt = salt
        self._clock = clock

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[BoundedSnapshot]:
        """As ever."""
        async with self._registry.reading() as snapshot:
            yield snapshot

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[BoundedTransaction]:
        """Raises CreatedBefore or RepeatedOtherwise. Of two at once, which take turns, the second finds the first."""
        once, now = self._once, self._clock.now()
        request = sha256(once.request).hexdigest()
        async with self._registry.transaction() as transaction:
            await transaction.creations.prune(now - KEEP_SECONDS)
            known = await transaction.creations.get(once.actor_id, once.name)
            if known is not None and known.request != request:
                raise RepeatedOtherwise("this Idempotency-Key was used for another request; take a new one")
            if known is not None:
                raise CreatedBefore(known)
            yield transaction
            made = transaction.created
            if made is not None:
                await transaction.creations.save(
                    Creation(
                        actor_id=once.actor_id,
                        name=once.name,
                        request=request,
                        object_id=made.object_id,
                        answer=msgspec.json.encode(made.after).decode(),
                        salt=self._salt,
                        at=int(now),
                    )
                )


def answer_of(creation: Creation) -> View:
    """The object as it was when it was created."""
    view: View = msgspec.json.decode(creation.answer)
    return view


def draw_salt(random: Random) -> bytes:
    """32 bytes nobody can foresee."""
    return random.below(1 << (8 * SALT_BYTES)).to_bytes(SALT_BYTES)
