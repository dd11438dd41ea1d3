"""Who gets which connection, in the moments that are hard to hit from outside."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from gateway_auth.adapters.redis.failures import unavailable
from gateway_auth.adapters.redis.link import Link
from gateway_auth.adapters.redis.pool import MAX_DIALLING, MAX_LINKS, Pool
from gateway_auth.errors import RedisUnavailable
from tests.fakes import ticks


class FakeLink:
    """What a pool sees of a link."""

    def __init__(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False


class Bench:
    """A pool whose connections are made when the test says so."""

    def __init__(self) -> None:
        self.dialled: list[asyncio.Future[Link]] = []
        self.pool = Pool(self._dial)

    async def _dial(self) -> Link:
        made: asyncio.Future[Link] = asyncio.get_running_loop().create_future()
        self.dialled.append(made)
        return await made

    async def make(self) -> Link:
        """The next connection under way is there."""
        link = cast("Link", FakeLink())
        self.dialled.pop(0).set_result(link)
        await ticks()
        return link

    async def ask(self, count: int = 1) -> list[asyncio.Task[Link]]:
        tasks = [asyncio.create_task(self.pool.wait()) for _ in range(count)]
        await ticks()
        return tasks


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_link_given_to_one_who_was_just_cancelled_goes_to_the_next(bench: Bench) -> None:
    (first,) = await bench.ask()
    link = await bench.make()
    bench.pool.give_back(await first)
    assert bench.pool.take() is link
    gone, next_one = await bench.ask(2)
    bench.pool.give_back(link)  # to `gone`, who has not run since
    gone.cancel()
    assert await next_one is link
    assert gone.cancelled()


async def test_or_waits_for_one(bench: Bench) -> None:
    (gone,) = await bench.ask()
    bench.dialled[0].set_result(link := cast("Link", FakeLink()))
    await asyncio.sleep(0)
    gone.cancel()
    await ticks()
    assert bench.pool.take() is link


async def test_few_are_made_at_a_time_and_never_more_than_the_limit(bench: Bench) -> None:
    asking = await bench.ask(50)
    made = []
    while bench.dialled:
        assert len(bench.dialled) <= MAX_DIALLING
        made.append(await bench.make())
    assert len(made) == MAX_LINKS == bench.pool.size
    for link in made:
        bench.pool.give_back(link)
    await ticks()
    assert sum(task.done() for task in asking) == 2 * MAX_LINKS
    for task in asking:
        task.cancel()
    await ticks()


async def test_when_making_one_fails_all_who_wait_hear_it(bench: Bench) -> None:
    asking = await bench.ask(10)
    bench.dialled[0].set_exception(unavailable("refused"))
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert {str(result) for result in results} == {"Redis refuses connections"}
    for made in bench.dialled[1:]:
        made.cancel()
    await ticks()


async def test_a_broken_link_is_replaced_for_who_waits(bench: Bench) -> None:
    (first,) = await bench.ask()
    link = await bench.make()
    await first
    (second,) = await bench.ask()
    bench.dialled.pop().cancel()
    await ticks()
    link.close()
    bench.pool.give_back(link)
    await ticks()
    replacement = await bench.make()
    assert await second is replacement


async def test_links_from_before_a_renewal_are_not_used_again(bench: Bench) -> None:
    first, _ = await bench.ask(2)
    lent, idle = await bench.make(), await bench.make()
    await first
    bench.pool.give_back(idle)
    bench.pool.renew()
    assert [idle.is_open, lent.is_open] == [False, True]
    bench.pool.give_back(lent)
    assert [idle.is_open, lent.is_open] == [False, False]
    assert bench.pool.take() is None


async def test_closing_ends_everything(bench: Bench) -> None:
    first, _, waiting = await bench.ask(3)
    link = await bench.make()
    await first
    await bench.pool.close()
    assert not link.is_open
    with pytest.raises(RedisUnavailable, match="no longer used"):
        await waiting
    with pytest.raises(RedisUnavailable, match="no longer used"):
        await bench.pool.wait()
    bench.pool.give_back(link)
    assert bench.pool.take() is None
