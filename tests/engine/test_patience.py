"""An answer that came while the loop was held up is taken, one that does not come is given up in time."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway_auth.engine.patience import within

SHORT_SECONDS = 0.02


async def test_what_comes_in_time_is_had() -> None:
    async with within(10.0):
        assert await asyncio.to_thread(int, "7") == 7


async def test_what_does_not_come_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        async with within(SHORT_SECONDS):
            await asyncio.get_running_loop().create_future()


async def test_what_came_while_the_loop_was_held_up_is_had() -> None:
    with ThreadPoolExecutor(1) as threads:
        async with within(SHORT_SECONDS):
            answer = asyncio.get_running_loop().run_in_executor(threads, int, "7")
            time.sleep(5 * SHORT_SECONDS)  # noqa: ASYNC251  the loop stands still
            assert await answer == 7


async def test_who_is_cancelled_is_not_told_of_a_timeout() -> None:
    async def wait() -> None:
        async with within(10.0):
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
