"""Holds the keys of one issuer: how old they may get, when they are fetched, whom an unknown `kid` makes wait.

It must not know where keys come from, nor what a token says.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from math import isfinite

from msgspec import Struct

from gateway_auth.engine.keyset import NO_SUCH_KEY, KeyName, KeySet, NoSuchKey
from gateway_auth.errors import IssuerUnavailable
from gateway_auth.ports import Clock, KeySetSource, Random, VerificationKey

__all__ = ["NO_SUCH_KEY", "IssuerKeys", "KeyName", "KeySetState", "NoSuchKey"]

logger = logging.getLogger("gateway_auth.issuers")

FRESH_SECONDS = 90.0
"""A key its issuer took back is refused after at most this, while the issuer answers. Fetched ahead after two thirds of
it at the earliest: with one fetch for unknown names a minute, an issuer is never asked more than twice in one."""
MAX_AGE_SECONDS = 3600.0
"""While it does not, the last good keys serve this long. The price: so long a key may outlive its end unseen."""
COOL_DOWN_SECONDS = 60.0
"""Anybody can make up a `kid`: a fetch that did not find the one asked for is the last of its kind for this long."""
FETCH_TIMEOUT_SECONDS = 5.0
"""Metadata and keys together. Only requests that have no usable key wait for it."""
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 1.0, 30.0
"""After a failure a fetch is tried again, each time after twice the pause: an issuer that is down is not hammered."""
TICK_SECONDS = 1.0
MAX_ASKED = 100
"""As many as a key set may hold. Names asked for are kept only while a fetch is under way."""


class KeySetState(Struct, frozen=True):
    """What operators are told. `age_seconds` is None before the first good fetch; `keys` are (`kid`, algorithm)."""

    issuer_id: str
    keys: tuple[KeyName, ...]
    age_seconds: float | None
    last_error: str | None
    fetches: int
    failed_fetches: int


def _tell_nobody(_: frozenset[KeyName]) -> None:
    pass


class IssuerKeys:
    """The keys of one issuer. `recall` never waits; `find` waits for the issuer where it has to.

    `usable_until` (monotonic seconds) is until when what these keys prove now may be remembered. It moves on with each
    fetch, failed ones too, and never further than a set is fresh: so what is in use comes back here, and is fetched
    again. `on_change` is told the names of keys that a fetch removed or replaced, after new ones took their place.
    """

    def __init__(
        self,
        issuer_id: str,
        source: KeySetSource,
        clock: Clock,
        random: Random,
        *,
        on_change: Callable[[frozenset[KeyName]], None] = _tell_nobody,
        max_age_seconds: float = MAX_AGE_SECONDS,
        fresh_seconds: float = FRESH_SECONDS,
        cool_down_seconds: float = COOL_DOWN_SECONDS,
    ) -> None:
        self.issuer_id = issuer_id
        self.usable_until = float("-inf")
        self._source = source
        self._monotonic = clock.monotonic
        self._below = random.below
        self._on_change = on_change
        self._max_age = max_age_seconds
        self._fresh = min(fresh_seconds, max_age_seconds)
        self._cool_down = cool_down_seconds
        self._keys = KeySet()
        self._read_at = self._serve_until = float("-inf")
        self._due_at = float("-inf")  # when the next fetch by itself is: ahead of the end, or the retry
        self._ask_again_at = float("-inf")
        self._was_used = False
        self._is_stopped = False
        self._failures = 0
        self._fetches = self._failed_fetches = 0
        self._last_error: str | None = None
        self._flight: asyncio.Task[None] | None = None
        self._is_asked_flight = False
        self._asked: set[KeyName] = set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Fetch for the first time and keep fetching. An issuer that is down delays this, and does not prevent it."""
        self._task = asyncio.create_task(self._keep(), name=f"gateway-auth keys of {self.issuer_id}")
        await asyncio.wait((self._begin(),))

    async def stop(self) -> None:
        """Fetch no more, for good. What is there serves on until it is too old."""
        self._is_stopped = True
        under_way = [task for task in (self._task, self._flight) if task is not None]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    def describe(self) -> KeySetState:
        """How things stand."""
        age = self._monotonic() - self._read_at if isfinite(self._read_at) else None
        return KeySetState(self.issuer_id, self._keys.names, age, self._last_error, self._fetches, self._failed_fetches)

    # -- looking up ------------------------------------------------------------------------------------------------

    def recall(self, algorithm: str, key_id: str | None) -> VerificationKey | NoSuchKey | None:
        """The key, or that there is none, from memory; None where the issuer has to be asked."""
        now = self._monotonic()
        if now >= self._serve_until:
            return None
        key = self._keys.find(algorithm, key_id)
        if key is None:
            return None if self._may_be_new(now) else NO_SUCH_KEY
        self._was_used = True
        if now >= self._due_at and not self._is_stopped:
            self._begin()
        return key

    async def find(self, algorithm: str, key_id: str | None) -> VerificationKey | NoSuchKey:
        """The key, or that there is none. Raises IssuerUnavailable when that cannot be told."""
        key = self.recall(algorithm, key_id)
        if key is None and self._is_fetching():
            # Begun before this was asked: what it brings may be from before the key was published.
            await self._join(algorithm, key_id)
            key = self.recall(algorithm, key_id)
        if key is None and self._may_fetch():
            await self._join(algorithm, key_id)
            key = self.recall(algorithm, key_id)
        if key is None and (self._failures or self._is_stopped or self._monotonic() >= self._serve_until):
            raise IssuerUnavailable(self._last_error or f"issuer {self.issuer_id}: no keys that may still be used")
        # Not in a set that was asked for after the token came.
        return NO_SUCH_KEY if key is None else key

    def _may_be_new(self, now: float) -> bool:
        """Whether a key that is not there may have been published since.

        While the issuer cannot be asked that stays open: a good token must not be called bad because of an outage.
        """
        return self._failures > 0 or now >= self._ask_again_at or self._is_fetching()

    def _may_fetch(self) -> bool:
        return not self._is_stopped and (self._failures == 0 or self._monotonic() >= self._due_at)

    # -- fetching --------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Fetch ahead what is in use, and again what failed."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            if self._monotonic() >= self._due_at and (self._was_used or self._failures):
                self._begin()

    async def _join(self, algorithm: str, key_id: str | None) -> None:
        """Wait for the fetch under way, or for a new one. It goes on when who waits leaves."""
        flight = self._begin(is_asked=True)
        if len(self._asked) < MAX_ASKED:
            self._asked.add((key_id, algorithm))
        await asyncio.wait((flight,))

    def _is_fetching(self) -> bool:
        return self._flight is not None and not self._flight.done()

    def _begin(self, *, is_asked: bool = False) -> asyncio.Task[None]:
        if self._flight is None or self._flight.done():
            self._is_asked_flight = is_asked
            self._asked.clear()
            self._flight = asyncio.create_task(self._fetch(), name=f"gateway-auth fetch of {self.issuer_id}")
        return self._flight

    async def _fetch(self) -> None:
        self._fetches += 1
        started = self._monotonic()
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_SECONDS):
                keys = KeySet(await self._source.fetch())
            self._succeeded(started, keys)
        except IssuerUnavailable as error:
            self._failed(str(error))
        except TimeoutError:
            self._failed(f"issuer {self.issuer_id}: its keys did not come within {FETCH_TIMEOUT_SECONDS:g} s")
        except Exception as error:
            # A bug in an adapter must not end the fetching for good: it counts as an outage, and is told.
            logger.exception("issuer %s: fetching its keys failed unexpectedly", self.issuer_id)
            self._failed(f"issuer {self.issuer_id}: {type(error).__name__}")

    def _succeeded(self, started: float, keys: KeySet) -> None:
        if self._failures:
            logger.warning("issuer %s: its keys can be had again", self.issuer_id)
        self._failures, self._last_error = 0, None
        self._was_used = False
        # From before the fetch: what changed while it ran may not be in it.
        self._read_at = started
        self._serve_until = self.usable_until = started + self._fresh
        self._due_at = started + self._fresh * (0.7 + self._below(101) / 1000)
        if self._is_asked_flight and all(keys.find(algorithm, key_id) is None for key_id, algorithm in self._asked):
            self._ask_again_at = self._monotonic() + self._cool_down
        gone = self._keys.gone_in(keys)
        self._keys = keys
        if gone:
            logger.info("issuer %s: %d of its keys were removed or replaced", self.issuer_id, len(gone))
            self._on_change(gone)

    def _failed(self, text: str) -> None:
        if text != self._last_error:
            logger.warning("%s; keys fetched before serve until they are %g s old", text, self._max_age)
        self._last_error = text
        self._failed_fetches += 1
        self._failures += 1
        pause = min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(self._failures - 1, 10))
        now = self._monotonic()
        self._due_at = now + pause * (0.5 + self._below(501) / 1000)
        self._serve_until = self._read_at + self._max_age
        self.usable_until = min(self._serve_until, now + self._fresh)
