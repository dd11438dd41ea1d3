"""Questions that wait together are asked together, each is answered by its own answer, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import traceback

import pytest

from gateway_auth.adapters.redis.batching import Batcher
from tests.fakes import ticks


class Oracle:
    """Answers numbers by their doubles. `asked` are the batches; each waits for `release` while `is_slow`."""

    def __init__(self, max_size: int = 8) -> None:
        self.asked: list[list[int]] = []
        self.is_slow = False
        self.failure: Exception | None = None
        self.in_flight = 0
        self.batcher: Batcher[int, int] = Batcher(self._ask, lambda number: number // 100 or 1, max_size)
        self._release = asyncio.Event()

    def release(self) -> None:
        self._release.set()
        self._release = asyncio.Event()

    async def _ask(self, numbers: list[int]) -> list[int]:
        self.asked.append(numbers)
        self.in_flight += 1
        assert self.in_flight == 1
        try:
            if self.is_slow:
                await self._release.wait()
            await asyncio.sleep(0)
        finally:
            self.in_flight -= 1
        if self.failure:
            raise self.failure
        return [2 * number for number in numbers]

    def ask(self, number: int) -> asyncio.Future[int]:
        return self.batcher.put(number)


async def test_what_comes_in_one_turn_of_the_loop_goes_together() -> None:
    oracle = Oracle()
    assert await asyncio.gather(*(oracle.batcher.put(number) for number in range(5))) == [0, 2, 4, 6, 8]
    assert oracle.asked == [[0, 1, 2, 3, 4]]


async def test_what_comes_while_one_is_in_flight_goes_with_the_next() -> None:
    oracle = Oracle()
    oracle.is_slow = True
    first = oracle.ask(1)
    await ticks()
    later = [oracle.ask(number) for number in (2, 3)]
    await ticks()
    later.append(oracle.ask(4))
    await ticks()
    assert oracle.asked == [[1]]
    oracle.is_slow = False
    oracle.release()
    assert [await task for task in (first, *later)] == [2, 4, 6, 8]
    assert oracle.asked == [[1], [2, 3, 4]]


async def test_a_batch_is_bounded_and_keeps_the_order_of_arrival() -> None:
    oracle = Oracle(max_size=4)
    numbers = [1, 200, 2, 3, 400, 4, 900, 5, 6]  # hundreds are as large as several
    answers = await asyncio.gather(*(oracle.batcher.put(number) for number in numbers))
    assert answers == [2 * number for number in numbers]
    assert oracle.asked == [[1, 200, 2], [3], [400], [4], [900], [5, 6]]


async def test_who_left_before_it_was_sent_has_asked_nothing() -> None:
    oracle = Oracle()
    oracle.is_slow = True
    first = oracle.ask(1)
    await ticks()
    gone, stays = oracle.ask(2), oracle.ask(3)
    await ticks()
    gone.cancel()
    await ticks()
    oracle.is_slow = False
    oracle.release()
    assert await first == 2
    assert await stays == 6
    assert oracle.asked == [[1], [3]]
    assert gone.cancelled()


async def test_when_all_have_left_nothing_is_asked() -> None:
    oracle = Oracle()
    oracle.is_slow = True
    first = oracle.ask(1)
    await ticks()
    gone = oracle.ask(2)
    await ticks()
    gone.cancel()
    oracle.release()
    assert await first == 2
    await ticks()
    assert oracle.asked == [[1]]


async def test_who_leaves_while_it_is_in_flight_takes_nobody_with_it() -> None:
    oracle = Oracle()
    oracle.is_slow = True
    gone, stays = oracle.ask(1), oracle.ask(2)
    await ticks()
    gone.cancel()
    await ticks()
    assert oracle.in_flight == 1
    oracle.is_slow = False
    oracle.release()
    assert await stays == 4
    assert await oracle.ask(3) == 6


async def test_a_failure_is_everybodys_who_waits_and_nobodys_who_comes_later() -> None:
    oracle = Oracle()
    oracle.is_slow, oracle.failure = True, RuntimeError("down")
    tasks = [oracle.ask(1), oracle.ask(2)]
    await ticks()
    tasks.append(oracle.ask(3))
    await ticks()
    oracle.release()
    for task in tasks:
        with pytest.raises(RuntimeError, match="down"):
            await task
    assert oracle.asked == [[1, 2]]
    oracle.is_slow, oracle.failure = False, None
    assert await oracle.ask(4) == 8


async def test_what_else_is_answered_after_a_failure_may_fail_as_well() -> None:
    async def ask(numbers: list[int]) -> list[int]:
        raise OSError("down")

    def otherwise(number: int, error: Exception) -> int:
        if number == 2:
            raise LookupError from error
        return -number

    batcher: Batcher[int, int] = Batcher(ask, lambda _: 1, 2, otherwise)
    answers = await asyncio.gather(*(batcher.put(number) for number in (1, 2, 3, 4)), return_exceptions=True)
    assert isinstance(answers[1], LookupError)
    assert [answers[0], *answers[2:]] == [-1, -3, -4]


async def test_a_failure_tells_the_last_of_many_no_longer_story_than_the_first() -> None:
    async def ask(numbers: list[int]) -> list[int]:
        raise OSError("down")

    batcher: Batcher[int, int] = Batcher(ask, lambda _: 1, 8)
    waiting = [batcher.put(number) for number in range(100)]
    await asyncio.wait(waiting)
    error = waiting[-1].exception()
    assert error is waiting[0].exception()
    assert error is not None
    assert len(traceback.extract_tb(error.__traceback__)) <= 3


async def test_closing_in_the_same_turn_leaves_nobody_waiting() -> None:
    oracle = Oracle()
    first = oracle.ask(1)
    await oracle.batcher.close()
    assert first.cancelled()
    assert await oracle.ask(2) == 4


async def test_a_thousand_that_wait_are_each_looked_at_once() -> None:
    looks = 0

    def size_of(_: int) -> int:
        nonlocal looks
        looks += 1
        return 1

    async def ask(numbers: list[int]) -> list[int]:
        await asyncio.sleep(0)
        return numbers

    batcher: Batcher[int, int] = Batcher(ask, size_of, 10)
    assert await asyncio.gather(*(batcher.put(number) for number in range(1000))) == list(range(1000))
    assert looks < 1200


async def test_too_few_answers_leave_nobody_waiting() -> None:
    async def ask(numbers: list[int]) -> list[int]:
        return numbers[1:]

    batcher: Batcher[int, int] = Batcher(ask, lambda _: 1, 8)
    answers = await asyncio.gather(batcher.put(1), batcher.put(2), return_exceptions=True)
    assert isinstance(answers[1], ValueError)


async def test_answers_that_need_no_waiting_are_answers_too() -> None:
    async def ask(numbers: list[int]) -> list[int]:
        return numbers

    batcher: Batcher[int, int] = Batcher(ask, lambda _: 1, 8)
    assert [await batcher.put(number) for number in range(3)] == [0, 1, 2]


async def test_closing_gives_up_those_that_wait() -> None:
    oracle = Oracle()
    await oracle.batcher.close()
    oracle.is_slow = True
    tasks = [oracle.ask(1)]
    await ticks()
    tasks.append(oracle.ask(2))
    await ticks()
    await oracle.batcher.close()
    await ticks()
    assert all(task.cancelled() for task in tasks)
    assert oracle.in_flight == 0
