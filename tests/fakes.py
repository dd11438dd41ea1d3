"""What the tests of core and engine stand on: a clock moved by hand, a store that can be slow or down, small worlds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from msgspec.structs import replace

from gateway_auth.adapters.memory_limits import MemoryLimitStore
from gateway_auth.core import headers as h
from gateway_auth.core.decision import Allow, Decision, Deny
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.keyhash import PepperRing, fingerprinter
from gateway_auth.core.keys import AppRecord, KeyRecord
from gateway_auth.core.limits import Limit, LimitOutcome, LimitSet
from gateway_auth.core.network import Address, parse_address
from gateway_auth.core.policy import Policy
from gateway_auth.core.rates import Rate, parse_rate
from gateway_auth.core.request import RequestFacts
from gateway_auth.core.routes import RouteTable
from gateway_auth.core.ruleset import RuleSet
from gateway_auth.core.token import Revocation
from gateway_auth.engine.api_key import KeyVerifier
from gateway_auth.engine.brake import Brake
from gateway_auth.engine.changes import ChangeFollower
from gateway_auth.engine.pipeline import Engine
from gateway_auth.engine.principal_cache import PrincipalCache
from gateway_auth.engine.recorder import Recorder
from gateway_auth.engine.revocations import RevokedTokens
from gateway_auth.engine.standing import NoLimits, Standing
from gateway_auth.engine.token_cache import TokenCache
from gateway_auth.engine.watches import Watches
from gateway_auth.errors import StoreUnavailable
from gateway_auth.ports import Change, ChangeBatch, ChangeKind, KeyReading, RevocationReading

PEPPER = b"a pepper for tests, 32 bytes and more of it"
START = 1_700_000_000.0
CLIENT = "198.51.100.7"


# -- time ----------------------------------------------------------------------------------------------------------


class FakeClock:
    """ports.Clock that stands still until it is moved."""

    def __init__(self, wall: float = START, steady: float = 1000.0) -> None:
        self.wall = wall
        self.steady = steady

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def advance(self, seconds: float) -> None:
        """Time passes."""
        self.wall += seconds
        self.steady += seconds


# -- the store -----------------------------------------------------------------------------------------------------


class FakeStore:
    """ports.KeyStore, ChangeFeed and RevocationStore.

    Answers are of the moment they were asked for, and leave when `hold` lets them.
    `reads` are the key ids asked for, `polls` how often the log was, `revocation_reads` after which revisions
    revocations were. `failure` is raised instead of any answer; `key_failure`, `feed_failure` and `revocation_failure`
    by one part of the store only.
    """

    def __init__(self) -> None:
        self.apps: dict[str, AppRecord] = {}
        self.keys: dict[str, KeyRecord] = {}
        self.log: list[Change] = []
        self.revocations: list[tuple[int, Revocation]] = []
        self.pruned = 0
        self.batch_size = 1000
        self.reads: list[str] = []
        self.polls = 0
        self.revocation_reads: list[int] = []
        self.failure: Exception | None = None
        self.key_failure: Exception | None = None
        self.feed_failure: Exception | None = None
        self.revocation_failure: Exception | None = None
        self.waiting: list[asyncio.Future[None]] = []
        self._holds_keys = self._holds_feed = self._holds_revocations = False

    # what management does

    @property
    def revision(self) -> int:
        return len(self.log)

    def put_app(self, app: AppRecord) -> int:
        self.apps[app.id] = app
        return self.changed("app", app.id)

    def put_key(self, key: KeyRecord) -> int:
        self.keys[key.id] = key
        return self.changed("key", key.id)

    def edit_key(self, key_id: str, **changes: Any) -> int:
        return self.put_key(replace(self.keys[key_id], **changes))

    def edit_app(self, app_id: str, **changes: Any) -> int:
        return self.put_app(replace(self.apps[app_id], **changes))

    def delete_key(self, key_id: str) -> int:
        del self.keys[key_id]
        return self.changed("key", key_id)

    def delete_app(self, app_id: str) -> int:
        del self.apps[app_id]
        return self.changed("app", app_id)

    def revoke(self, revocation: Revocation) -> int:
        revision = self.changed("token", revocation.id)
        self.revocations.append((revision, revocation))
        return revision

    def changed(self, kind: ChangeKind, object_id: str) -> int:
        self.log.append(Change(len(self.log) + 1, kind, object_id))
        return len(self.log)

    # faults

    def go_down(self) -> None:
        """An outage, told at once."""
        self.failure = StoreUnavailable("the store is down")

    def come_back(self) -> None:
        self.failure = self.key_failure = self.feed_failure = self.revocation_failure = None

    def hold(self, *, keys: bool = True, feed: bool = False, revocations: bool = False) -> None:
        """From now on answers wait."""
        self._holds_keys, self._holds_feed, self._holds_revocations = keys, feed, revocations

    def release(self) -> None:
        """Let the waiting answers go, and hold no more."""
        self._holds_keys = self._holds_feed = self._holds_revocations = False
        while self.waiting:
            self.let_one_go()

    def let_one_go(self, position: int = 0) -> None:
        """Let one waiting answer go."""
        answer = self.waiting.pop(position)
        if not answer.done():
            answer.set_result(None)

    # the ports

    async def read_key(self, key_id: str) -> KeyReading:
        self.reads.append(key_id)
        key = self.keys.get(key_id)
        app = self.apps.get(key.app_id) if key else None
        reading = KeyReading(self.revision, key, app)
        await self._leave(self._holds_keys)
        self._fail(self.key_failure)
        return reading

    async def current_revision(self) -> int:
        self._fail(self.feed_failure)
        return self.revision

    async def changes_since(self, revision: int) -> ChangeBatch:
        self.polls += 1
        current = self.revision
        changes = tuple(self.log[revision : revision + self.batch_size])
        if revision < self.pruned or revision > current:
            batch = ChangeBatch(current, is_complete=False)
        else:
            batch = ChangeBatch(changes[-1].revision if changes else current, changes)
        await self._leave(self._holds_feed)
        self._fail(self.feed_failure)
        return batch

    async def read_revocations(self, after: int) -> RevocationReading:
        self.revocation_reads.append(after)
        reading = RevocationReading(self.revision, tuple(entry for at, entry in self.revocations if at > after))
        await self._leave(self._holds_revocations)
        self._fail(self.revocation_failure)
        return reading

    async def _leave(self, is_held: bool) -> None:
        if is_held:
            answer = asyncio.get_running_loop().create_future()
            self.waiting.append(answer)
            await answer

    def _fail(self, failure: Exception | None) -> None:
        if self.failure is not None or failure is not None:
            raise self.failure or failure or AssertionError


class DistantLimits:
    """ports.LimitStore that can never tell at once."""

    def __init__(self, clock: FakeClock) -> None:
        self.near = MemoryLimitStore(clock)

    def take_now(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome | None:
        return None

    async def take(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome:
        await asyncio.sleep(0)
        return self.near.take_now(limits, partitions)


# -- builders ------------------------------------------------------------------------------------------------------


def address(text: str) -> Address:
    """An address that is one."""
    parsed = parse_address(text)
    assert parsed is not None, text
    return parsed


def request(
    method: str = "GET",
    path: str = "/orders",
    *,
    key: str | bytes | None = None,
    authorization: str | bytes | None = None,
    query: bytes = b"",
    client: str | None = CLIENT,
    headers: dict[int, bytes] | None = None,
    is_tls: bool = False,
    is_websocket: bool = False,
    body_bytes: int | None = 0,
) -> RequestFacts:
    """The facts of a request; `key` goes into the API-key header."""
    found = dict(headers or {})
    for kind, value in ((h.API_KEY, key), (h.AUTHORIZATION, authorization)):
        if value is not None:
            found[kind] = value.encode() if isinstance(value, str) else value
    return RequestFacts(
        method=method,
        path=path,
        query=query,
        client=address(client) if client is not None else None,
        headers=found,
        is_tls=is_tls,
        is_websocket=is_websocket,
        body_bytes=body_bytes,
    )


def preflight(path: str = "/orders", asked_for: bytes = b"GET", **more: Any) -> RequestFacts:
    """A CORS preflight."""
    extra = more.pop("headers", {})
    headers = {h.ORIGIN: b"https://shop.example", h.PREFLIGHT_METHOD: asked_for, **extra}
    return request("OPTIONS", path, headers=headers, **more)


def limit(limit_id: str, rate: str, by: str = "key", **more: Any) -> Limit:
    """A limit with counters of its own, named by its id."""
    return Limit(id=limit_id, key=f"test:{limit_id}", rate=parse_rate(rate), by=by, **more)  # type: ignore[arg-type] # a table's text


def an_app(app_id: str = "app_1", **fields: Any) -> AppRecord:
    return AppRecord(
        **{"id": app_id, "name": "Shop", "owner": "alice", "created_at": 1, "created_by": "test", **fields}
    )


KEYS = KeyFormat("gwk")
PEPPERS = PepperRing(PEPPER)
_numbers = count(1)


@dataclass
class Minted:
    """A key as its owner has it, and as it is stored."""

    text: str
    record: KeyRecord

    @property
    def id(self) -> str:
        return self.record.id


def a_key(app_id: str = "app_1", *, environment: str = "live", peppers: PepperRing = PEPPERS, **fields: Any) -> Minted:
    """A new key, each call another one."""
    number = next(_numbers)
    minted = KEYS.mint(environment, number * 7_919_777_777, number * 104_729**9)
    record = KeyRecord(
        **{
            "id": minted.key_id,
            "app_id": app_id,
            "environment": environment,
            "digest": peppers.digest(minted.text.encode()),
            "pepper_id": peppers.current_id,
            "created_at": 1,
            "created_by": "test",
            **fields,
        }
    )
    return Minted(minted.text, record)


def unknown_key() -> str:
    """The text of a well-formed key nobody made."""
    return a_key().text


def wrong_secret(minted: Minted) -> str:
    """Another well-formed key of the same id."""
    body = minted.text[:-7] + ("A" if minted.text[-7] != "A" else "B")
    for text in (body + tail for tail in _checksums(body)):
        if KEYS.parse_key_id(text.encode()) is not None:
            return text
    raise AssertionError("no checksum fits")


def _checksums(body: str) -> Iterable[str]:
    from binascii import crc32

    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    number, digits = crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = alphabet[digit] + digits
    yield digits


ANYBODY_KNOWN = Policy(id="orders", path="/orders")


@dataclass
class World:
    """One worker over a fake store: `decide` waits, `begin` does not, `poll` reads the change log as the task would."""

    policies: tuple[Policy, ...] = (ANYBODY_KNOWN,)
    brake_rate: Rate | None = None
    max_stale_seconds: float = 60.0
    cache_seconds: float = 30.0
    max_keys: int = 1000
    max_unknown: int = 1000
    are_limits_distant: bool = False
    peppers: PepperRing = PEPPERS
    rules: dict[str, Any] = field(default_factory=dict)
    clock: FakeClock = field(default_factory=FakeClock)
    store: FakeStore = field(default_factory=FakeStore)

    def __post_init__(self) -> None:
        self.store.apps.setdefault("app_1", an_app())
        ruleset = RuleSet(policies=self.policies, routes=RouteTable(self.policies), brake=self.brake_rate, **self.rules)
        self.cache = PrincipalCache(self.clock, max_keys=self.max_keys, max_unknown=self.max_unknown)
        self.proven = TokenCache()
        self.revoked = RevokedTokens(self.store, self.clock, self.proven.discard_where)
        self.changes = ChangeFollower(
            self.store, self.clock, self.cache.forget, self.max_stale_seconds, learn=self.revoked.apply
        )
        self.verifier = KeyVerifier(
            ruleset, self.peppers, self.store, self.cache, self.changes, fingerprinter(b"process"), self.clock,
            self.cache_seconds,
        )  # fmt: skip
        self.brake = Brake(self.brake_rate, self.clock)
        self.limits = DistantLimits(self.clock) if self.are_limits_distant else MemoryLimitStore(self.clock)
        self.engine = Engine(ruleset, self.verifier, self.limits, self.brake, self.changes, self.clock)
        uncounted = Engine(ruleset, self.verifier, NoLimits(), Brake(None, self.clock), self.changes, self.clock)
        self.watches = Watches(Standing(uncounted, self.verifier, None, self.clock), self.changes, self.clock)
        self.changes.hear = self.watches.hear
        self.recorder = Recorder(ruleset.key_format, self.clock)

    def add_key(self, app_id: str = "app_1", **fields: Any) -> Minted:
        """A key that is in the store."""
        minted = a_key(app_id, peppers=self.peppers, **fields)
        self.store.put_key(minted.record)
        return minted

    async def poll(self) -> bool:
        """Read the change log."""
        return await self.changes.catch_up()

    async def decide(self, facts: RequestFacts) -> Decision:
        return await self.engine.decide(facts)

    def begin(self, facts: RequestFacts) -> Decision:
        """The decision of a request that must not wait."""
        decision = self.engine.begin(facts)
        assert isinstance(decision, Allow | Deny), f"would wait: {decision!r}"
        return decision

    async def warm(self, *keys: Minted) -> None:
        """Have the keys remembered, whatever the routes say of them."""
        await self.poll()
        for key in keys:
            await self.verifier.verify(key.text.encode())


async def ticks(count: int = 20) -> None:
    """Let everything that can run, run."""
    for _ in range(count):
        await asyncio.sleep(0)


def told(decision: Decision) -> str:
    """What was decided, in one word: "allow" or the reason."""
    return "allow" if isinstance(decision, Allow) else str(decision.reason)
