"""Callers who want the same at the same time get one call; whoever comes after gets a new one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway_auth.engine.singleflight import SingleFlight
from tests.fakes import ticks


class Call:
    """A call that waits to be let go; counts how often it was made."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.made = 0
        self.go = asyncio.Event()
        self.failure = failure

    async def __call__(self) -> int:
        self.made += 1
        number = self.made
        await self.go.wait()
        if self.failure is not None:
            raise self.failure
        return number


async def test_callers_share_the_call_under_way() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    call = Call()
    callers = [asyncio.create_task(flights.do("key", call)) for _ in range(10)]
    await ticks()
    assert len(flights) == 1
    call.go.set()
    assert await asyncio.gather(*callers) == [1] * 10
    await ticks()
    assert len(flights) == 0


async def test_other_keys_are_other_calls() -> None:
    flights: SingleFlight[int, int] = SingleFlight()
    call = Call()
    callers = [asyncio.create_task(flights.do(key, call)) for key in range(10)]
    await ticks()
    assert len(flights) == 10
    call.go.set()
    assert sorted(await asyncio.gather(*callers)) == list(range(1, 11))


async def test_an_answer_is_not_kept() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    call = Call()
    call.go.set()
    assert [await flights.do("key", call) for _ in range(3)] == [1, 2, 3]


async def test_all_callers_get_the_exception() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    call = Call(ValueError("no"))
    callers = [asyncio.create_task(flights.do("key", call)) for _ in range(3)]
    await ticks()
    call.go.set()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert all(isinstance(outcome, ValueError) for outcome in outcomes)
    assert call.made == 1
    call.failure = None
    assert await flights.do("key", call) == 2


async def test_a_caller_who_leaves_leaves_the_call_to_the_others() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    call = Call()
    leaving, staying = (asyncio.create_task(flights.do("key", call)) for _ in range(2))
    await ticks()
    leaving.cancel()
    await ticks()
    call.go.set()
    assert await staying == 1
    assert leaving.cancelled()


@pytest.mark.parametrize("failure", [None, ValueError("nobody is there to see this")], ids=["answer", "exception"])
async def test_a_call_all_callers_left_ends_quietly(failure: Exception | None) -> None:
    complaints = complaints_of(asyncio.get_running_loop())
    flights: SingleFlight[str, int] = SingleFlight()
    call = Call(failure)
    caller = asyncio.create_task(flights.do("key", call))
    await ticks()
    caller.cancel()
    await ticks()
    assert len(flights) == 1
    call.go.set()
    await ticks()
    assert len(flights) == 0
    assert complaints == []


async def test_a_call_that_was_cancelled_from_outside_ends_quietly() -> None:
    complaints = complaints_of(asyncio.get_running_loop())
    flights: SingleFlight[str, int] = SingleFlight()
    before = asyncio.all_tasks()
    caller = asyncio.create_task(flights.do("key", Call()))
    await ticks()
    for task in asyncio.all_tasks() - before - {caller}:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await ticks()
    assert len(flights) == 0
    assert complaints == []


async def test_who_comes_between_the_end_of_a_call_and_its_landing_flies_anew_and_undisturbed() -> None:
    """Both wait for one event: the call ends first, the next caller runs before the loop tells that it ended."""
    complaints = complaints_of(asyncio.get_running_loop())
    flights: SingleFlight[str, int] = SingleFlight()
    first, second = Call(), Call()

    async def come_right_after() -> int:
        await first.go.wait()
        return await flights.do("key", second)

    callers = [asyncio.create_task(flights.do("key", first))]
    await ticks()
    callers.append(asyncio.create_task(come_right_after()))
    await ticks()
    first.go.set()
    await ticks()
    callers.append(asyncio.create_task(flights.do("key", second)))
    await ticks()
    second.go.set()
    assert await asyncio.gather(*callers) == [1, 1, 1]
    assert (first.made, second.made) == (1, 1)
    assert complaints == []


def complaints_of(loop: asyncio.AbstractEventLoop) -> list[dict[str, Any]]:
    """What the loop has to say about exceptions nobody handled."""
    complaints: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    return complaints
