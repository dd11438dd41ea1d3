"""Loads, changes and readings of the log in any order: what a request is told is never from before what was known then.

A change that this worker has read about is past: no load that began before it may bring the old state back (security
case K16), and in whatever order changes came, the last one counts in the end (K17).
"""

from __future__ import annotations

import asyncio
import random

import pytest
from msgspec.structs import replace

from gateway_auth.core.decision import Allow
from gateway_auth.core.keys import KeyRecord, StoredStatus
from tests.fakes import Minted, World, request, ticks, told

GONE = "gone"


class Life:
    """One key, its store and its worker, moved at random. Every state of the key names the revision it is of."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.world = World()
        self.key: Minted = self.world.add_key(scopes=("revision:2",))
        # states[revision] is what the key was from that revision on: its marking scope, "disabled" or gone.
        first = self.world.store.changed("app", "app_1")
        self.states = dict.fromkeys(range(first + 1), "revision:2")
        self.asked: list[tuple[int, asyncio.Task[str]]] = []

    async def live(self, steps: int) -> None:
        await self.world.poll()
        self.world.store.hold()
        for _ in range(steps):
            action = self.chance.choices(
                [self.ask, self.answer_one, self.change, self.poll, self.age], weights=[5, 5, 2, 3, 1]
            )[0]
            await action()
        self.world.store.release()
        for _ in range(10):
            await asyncio.sleep(0)
            self.world.store.release()
        await asyncio.gather(*(task for _, task in self.asked))

    async def ask(self) -> None:
        known = self.world.changes.revision
        self.asked.append((known, asyncio.create_task(self.answer())))
        await asyncio.sleep(0)

    async def answer(self) -> str:
        decision = await self.world.decide(request(key=self.key.text))
        if isinstance(decision, Allow):
            (scope,) = decision.principal.scopes
            return scope
        return {"invalid_credential": GONE, "credential_disabled": "disabled"}[told(decision)]

    async def answer_one(self) -> None:
        waiting = self.world.store.waiting
        if waiting:
            self.world.store.let_one_go(self.chance.randrange(len(waiting)))
        for _ in range(self.chance.randrange(4)):
            await asyncio.sleep(0)

    async def change(self) -> None:
        store = self.world.store
        revision = store.revision + 1
        match self.chance.choice(["enable", "disable", "delete", "other"]):
            case "enable":
                store.put_key(self.marked(revision))
                self.states[revision] = f"revision:{revision}"
            case "disable":
                store.put_key(self.marked(revision, "disabled"))
                self.states[revision] = "disabled"
            case "delete":
                store.keys.pop(self.key.id, None)
                store.changed("key", self.key.id)
                self.states[revision] = GONE
            case _:
                store.changed("key", "somebody else")
                self.states[revision] = self.states[revision - 1]

    def marked(self, revision: int, status: StoredStatus = "active") -> KeyRecord:
        return replace(self.key.record, scopes=(f"revision:{revision}",), status=status)

    async def poll(self) -> None:
        await self.world.poll()

    async def age(self) -> None:
        self.world.clock.steady += self.chance.choice([0.5, 2.0, 31.0])

    def possible(self, since: int) -> set[str]:
        return {state for revision, state in self.states.items() if revision >= since}


@pytest.mark.parametrize("block", range(10))
async def test_no_load_brings_back_what_was_changed_meanwhile(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        life = Life(seed)
        await life.live(steps=40)
        for known, task in life.asked:
            assert task.result() in life.possible(known), f"seed {seed}: answered from before revision {known}"
        await life.world.poll()
        assert await life.answer() == life.states[life.world.store.revision], f"seed {seed}: not the last state"


async def test_a_change_during_the_load_wins_whichever_is_told_first() -> None:
    """The shortest of these: the answer left the store before the change, and arrives after it was read in the log."""
    world = World()
    key = world.add_key()
    await world.poll()
    world.store.hold()
    asked = asyncio.create_task(world.decide(request(key=key.text)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    world.store.edit_key(key.id, status="disabled")
    await world.poll()
    world.store.release()
    assert told(await asked) == "credential_disabled"
    assert told(world.begin(request(key=key.text))) == "credential_disabled"


async def test_a_slow_load_does_not_overwrite_what_a_quicker_one_read_later() -> None:
    """Both are ahead of the log, so neither is refused for its age: what the later caller was told has to stay."""
    world = World()
    key = world.add_key()
    await world.poll()
    world.store.hold()
    world.store.changed("key", "somebody else")
    slow = asyncio.create_task(world.decide(request(key=key.text)))
    await ticks()
    await world.poll()
    world.store.edit_key(key.id, status="disabled")
    quick = asyncio.create_task(world.decide(request(key=key.text)))
    await ticks()
    world.store.let_one_go(-1)
    await ticks()
    world.store.release()
    await slow
    assert told(await world.decide(request(key=key.text))) == told(await quick)


async def test_a_slow_load_does_not_bring_back_a_key_a_quicker_one_found_deleted() -> None:
    world = World()
    key = world.add_key()
    await world.poll()
    world.store.hold()
    world.store.changed("key", "somebody else")
    slow = asyncio.create_task(world.decide(request(key=key.text)))
    await ticks()
    await world.poll()
    world.store.delete_key(key.id)
    quick = asyncio.create_task(world.decide(request(key=key.text)))
    await ticks()
    world.store.let_one_go(-1)
    await ticks()
    world.store.release()
    await slow
    assert told(await world.decide(request(key=key.text))) == told(await quick)


async def test_a_load_that_never_catches_up_is_answered_and_not_remembered() -> None:
    world = World()
    key = world.add_key()
    await world.poll()
    world.store.hold()
    asked = asyncio.create_task(world.decide(request(key=key.text)))
    for _ in range(3):
        await ticks()
        world.store.changed("key", "somebody else")
        await world.poll()
        world.store.let_one_go()
    await ticks()
    world.store.changed("key", "somebody else")
    await world.poll()
    world.store.release()
    await asked
    assert len(world.cache) == 0


async def test_who_asks_after_a_change_was_read_is_not_told_what_was_before_it() -> None:
    """Not even as one more caller of a load that began before and never caught up."""
    world = World()
    key = world.add_key()
    await world.poll()
    world.store.hold()
    early = asyncio.create_task(world.decide(request(key=key.text)))
    for _ in range(3):
        await ticks()
        world.store.changed("key", "somebody else")
        await world.poll()
        world.store.let_one_go()
    await ticks()
    world.store.edit_key(key.id, status="disabled")
    await world.poll()
    late = asyncio.create_task(world.decide(request(key=key.text)))
    await asyncio.sleep(0)
    world.store.release()
    await early
    assert told(await late) != "allow"


async def test_a_thousand_toggles_end_as_the_last_one_said() -> None:
    chance = random.Random(17)
    world = World()
    key = world.add_key()
    await world.warm(key)
    for number in range(1000):
        world.store.edit_key(key.id, status="disabled" if number % 2 == 0 else "active")
        if chance.random() < 0.3:
            await world.poll()
        if chance.random() < 0.5:
            await world.decide(request(key=key.text))
    world.store.edit_key(key.id, status="disabled")
    await world.poll()
    assert told(await world.decide(request(key=key.text))) == "credential_disabled"
    assert told(world.begin(request(key=key.text))) == "credential_disabled"
