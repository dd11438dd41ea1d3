"""Limits of all nodes while they can be counted together, and what each says of itself while not (L05, 057-060)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pytest

from gateway_auth.adapters.memory_limits import MemoryLimitStore
from gateway_auth.core.decision import Allow, Deny, Reason
from gateway_auth.core.limits import LimitOutcome, LimitSet
from gateway_auth.core.outcome import deny_outcome
from gateway_auth.core.policy import Policy
from gateway_auth.core.shares import Share
from gateway_auth.engine.own_part import TELL_SECONDS, OwnPart
from gateway_auth.engine.pipeline import UNCOUNTABLE, Engine
from gateway_auth.engine.shared_limits import SharedLimits
from tests.fakes import FakeClock, World, limit, request

LOCAL = limit("local", "10/minute")
OTHER = limit("other", "4/minute", on_unavailable="local")
DENY = limit("deny", "100/minute", on_unavailable="deny")
ALLOW = limit("allow", "1/minute", on_unavailable="allow")
KEY = ["alice"]


class Counters:
    """The counters of all. `failure` is what comes instead of an answer; `takes` how often they were asked."""

    def __init__(self, clock: FakeClock, own: OwnPart) -> None:
        self.store = MemoryLimitStore(clock)
        self.own = own
        self.failure: str | None = None
        self.is_reachable = True
        self.takes = 0
        self.in_hand: LimitOutcome | None = None

    def take_now(self, _limits: LimitSet, _partitions: Sequence[str | int]) -> LimitOutcome | None:
        return self.in_hand

    async def take(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome:
        self.takes += 1
        if self.failure is not None:
            return self.own.instead(limits, partitions, self.failure)
        outcome = self.store.take_now(limits, partitions)
        self.own.answered([(limits, partitions, 1)] if outcome.is_admitted else [])
        return outcome


class Workers:
    """ports.LiveWorkers."""

    def __init__(self, share: Share) -> None:
        self.share = share


class Bench:
    """One worker of some, over counters of all."""

    def __init__(self, workers: int = 1, rank: int = 0) -> None:
        self.clock = FakeClock()
        self.workers = Workers(Share(workers, rank))
        self.own = OwnPart(lambda: MemoryLimitStore(self.clock), self.workers, self.clock)
        self.counters = Counters(self.clock, self.own)
        self.limits = SharedLimits(self.counters, self.own, lambda: self.counters.is_reachable)

    async def take(self, limits: LimitSet, partitions: list[str | int] | None = None) -> LimitOutcome:
        """As the pipeline does."""
        partitions = partitions or ["alice"] * len(limits.limits)
        return self.limits.take_now(limits, partitions) or await self.limits.take(limits, partitions)

    async def admitted(self, limits: LimitSet, times: int) -> int:
        return sum([(await self.take(limits)).is_admitted for _ in range(times)])

    def go_down(self) -> None:
        """It is known that they would not answer."""
        self.counters.is_reachable = False

    def come_back(self) -> None:
        self.counters.is_reachable, self.counters.failure = True, None


@pytest.fixture
def bench() -> Bench:
    return Bench(workers=2)


# -- while they answer ---------------------------------------------------------------------------------------------


async def test_the_counters_of_all_decide(bench: Bench) -> None:
    limits = LimitSet((LOCAL,))
    assert bench.limits.take_now(limits, KEY) is None
    assert await bench.limits.take(limits, KEY) == LimitOutcome(True, (9, 60))
    assert await bench.admitted(limits, 20) == 9
    assert (bench.own.failure, bench.own.uncounted) == ("", {})


async def test_each_is_asked_once(bench: Bench) -> None:
    bench.counters.failure = "timeout"
    await bench.take(LimitSet((LOCAL,)))
    assert bench.counters.takes == 1


# -- while they do not: local --------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_known", [True, False], ids=["known to be down", "found out"])
@pytest.mark.parametrize(("rank", "expected"), [(0, 4), (1, 3), (2, 3)])
async def test_local_is_this_workers_share(rank: int, expected: int, is_known: bool) -> None:
    bench = Bench(3, rank)
    if is_known:
        bench.go_down()
    else:
        bench.counters.failure = "refused"
    assert await bench.admitted(LimitSet((LOCAL,)), 50) == expected
    assert bench.counters.takes == (0 if is_known else 50)
    assert bench.own.uncounted == {"local": 50}
    assert bench.own.failures == {"open" if is_known else "refused": 50}


async def test_what_is_told_is_of_the_share_under_the_whole_limits_policy(bench: Bench) -> None:
    bench.go_down()
    outcome = await bench.take(LimitSet((LOCAL,)))
    assert outcome.counted is not None
    assert outcome.counted.policy_header == LimitSet((LOCAL,)).policy_header
    assert (outcome.is_admitted, outcome.status) == (True, (4, 60))
    await bench.admitted(LimitSet((LOCAL,)), 4)
    refused = await bench.take(LimitSet((LOCAL,)))
    assert (refused.status, refused.retry_after_seconds, refused.violated) == ((0, 60), 60, ("local",))


async def test_local_limits_are_taken_together_or_not_at_all(bench: Bench) -> None:
    bench.go_down()
    both = LimitSet((LOCAL, OTHER))
    assert await bench.admitted(both, 10) == 2
    # `other` refused: what is left of `local` was not touched by that.
    assert await bench.admitted(LimitSet((LOCAL,)), 10) == 3


async def test_partitions_stay_with_their_limits(bench: Bench) -> None:
    bench.go_down()
    limits = LimitSet((ALLOW, LOCAL, OTHER))
    for _ in range(2):
        assert (await bench.take(limits, ["a", "b", "c"])).is_admitted
    assert not (await bench.take(limits, ["x", "y", "c"])).is_admitted
    assert (await bench.take(limits, ["a", "b", "d"])).status[:2] == (2, 60)


async def test_a_bucket_refills_by_its_share(bench: Bench) -> None:
    bench.go_down()
    limits = LimitSet((limit("bucket", "1/second burst 10"),))
    assert await bench.admitted(limits, 20) == 5
    bench.clock.advance(10)
    assert await bench.admitted(limits, 20) == 5


async def test_a_worker_without_a_share_refuses() -> None:
    bench = Bench(3, 2)
    bench.go_down()
    for rate in ("2/minute", "2/minute fixed", "1/second burst 2"):
        outcome = await bench.take(LimitSet((limit(rate, rate),)))
        assert not outcome.is_admitted
        assert outcome.retry_after_seconds >= 1
        assert outcome.status[0] == 0


async def test_a_share_holds_what_this_worker_admitted_before() -> None:
    bench = Bench()
    limits = LimitSet((ALLOW, LOCAL))
    for _ in range(7):
        assert (await bench.take(limits, [bench.counters.takes, "alice"])).is_admitted
    bench.go_down()
    assert await bench.admitted(limits, 20) == 3


async def test_one_limit_full_here_keeps_no_other_from_being_noted() -> None:
    bench = Bench(2)
    limits = LimitSet((OTHER, LOCAL))
    assert await bench.admitted(limits, 4) == 4
    bench.go_down()
    assert await bench.admitted(LimitSet((LOCAL,)), 20) == 1


@pytest.mark.parametrize("rate", ["5/minute", "5/minute fixed", "1/second burst 5", "500/minute", "500/minute fixed"])
@pytest.mark.parametrize("cost", [1, 2])
def test_many_noted_at_once_are_as_many_noted_one_by_one(rate: str, cost: int) -> None:
    limits, other = LimitSet((limit("x", rate, cost=cost),)), LimitSet((limit("y", "1000/minute"),))
    for times in (1, 2, 3, 5, 7, 64):
        clock = FakeClock()
        at_once, one_by_one = MemoryLimitStore(clock), MemoryLimitStore(clock)
        at_once.note(limits, KEY, times)
        at_once.note(other, KEY, times)
        for _ in range(times):
            one_by_one.note(limits, KEY)
            one_by_one.note(other, KEY)
        for of in (limits, other):
            assert [at_once.take_now(of, KEY) for _ in range(3)] == [one_by_one.take_now(of, KEY) for _ in range(3)]


async def test_other_workers_change_the_share(bench: Bench) -> None:
    bench.go_down()
    assert await bench.admitted(LimitSet((LOCAL,)), 20) == 5
    bench.workers.share = Share(10, 9)
    assert await bench.admitted(LimitSet((LOCAL,)), 20) == 1


# -- deny and allow ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("others", [(), (LOCAL,), (ALLOW,), (LOCAL, ALLOW)], ids=str)
async def test_one_that_must_be_counted_refuses_the_request(bench: Bench, others: tuple[Any, ...]) -> None:
    bench.counters.failure = "hang"
    limits = LimitSet((*others, DENY))
    outcome = await bench.take(limits)
    assert (outcome.is_admitted, outcome.is_unavailable, outcome.retry_after_seconds) == (False, True, 1)
    assert bench.own.uncounted == {"deny": 1}
    if LOCAL in others:
        assert await bench.admitted(LimitSet((LOCAL,)), 20) == 5  # nothing of it was taken


async def test_what_was_admitted_beside_one_that_must_be_counted_is_not_noted(bench: Bench) -> None:
    assert await bench.admitted(LimitSet((LOCAL, DENY)), 3) == 3
    bench.go_down()
    assert await bench.admitted(LimitSet((LOCAL,)), 20) == 5


async def test_allow_is_not_counted_and_not_told(bench: Bench) -> None:
    bench.go_down()
    limits = LimitSet((ALLOW,))
    for _ in range(20):
        outcome = await bench.take(limits)
        assert outcome.is_admitted
        assert outcome.counted is not None
        assert not outcome.counted
    assert bench.own.uncounted == {"allow": 20}


async def test_allow_beside_local_leaves_the_other(bench: Bench) -> None:
    bench.go_down()
    outcome = await bench.take(LimitSet((ALLOW, LOCAL)))
    assert outcome.counted is not None
    assert [kept.id for kept in outcome.counted.limits] == ["local"]
    assert outcome.status == (4, 60)
    assert bench.own.uncounted == {"allow": 1, "local": 1}


# -- back again ----------------------------------------------------------------------------------------------------


async def test_they_decide_again_as_soon_as_they_answer(bench: Bench) -> None:
    limits = LimitSet((LOCAL,))
    assert await bench.admitted(limits, 4) == 4
    bench.counters.failure = "timeout"
    assert await bench.admitted(limits, 20) == 1
    bench.come_back()
    assert await bench.admitted(limits, 20) == 6
    assert bench.own.failure == ""


async def test_what_is_wrong_is_told_by_its_first_word_that_says_something(bench: Bench) -> None:
    bench.go_down()
    await bench.take(LimitSet((LOCAL,)))
    assert bench.own.failure == "open"
    bench.come_back()
    bench.counters.failure = "loading"
    await bench.take(LimitSet((LOCAL,)))
    assert bench.own.failure == "loading"
    bench.go_down()
    await bench.take(LimitSet((LOCAL,)))
    assert bench.own.failure == "loading"


def test_a_change_is_known_where_no_request_comes(bench: Bench) -> None:
    bench.limits.look()
    assert bench.own.failure == ""
    bench.go_down()
    bench.limits.look()
    assert bench.own.failure == "open"
    bench.come_back()
    bench.limits.look()
    assert bench.own.failure == ""


async def test_each_change_is_one_line_and_many_are_few(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    for _ in range(100):
        bench.counters.failure = "oom"
        await bench.admitted(LimitSet((LOCAL,)), 3)
        bench.come_back()
        await bench.admitted(LimitSet((LOCAL,)), 3)
    assert [record.getMessage() for record in caplog.records] == [
        "limits are not counted in Redis (oom) but as on_unavailable says; local is 1/2 of each here",
        "limits are counted in Redis again",
    ]
    bench.clock.advance(TELL_SECONDS)
    bench.go_down()
    bench.limits.look()
    assert "it is left alone" in caplog.records[-1].getMessage()


# -- what becomes of a request -------------------------------------------------------------------------------------


def engine_over(bench: Bench, policy: Policy) -> tuple[World, Engine, str]:
    world = World((policy,), clock=bench.clock)
    engine = Engine(world.engine.rules, world.verifier, bench.limits, world.brake, world.changes, world.clock)
    return world, engine, world.add_key().text


@pytest.mark.parametrize("is_known", [True, False], ids=["known to be down", "found out"])
async def test_a_request_that_cannot_be_counted_is_503(bench: Bench, is_known: bool) -> None:
    world, engine, key = engine_over(bench, Policy(id="orders", path="/orders", limits=LimitSet((DENY,))))
    bench.counters.failure, bench.counters.is_reachable = "timeout", not is_known
    await world.poll()
    decision = await engine.decide(request(key=key))
    assert isinstance(decision, Deny)
    assert (decision.reason, decision.detail) == (Reason.DEPENDENCY_UNAVAILABLE, UNCOUNTABLE)
    outcome = deny_outcome(decision, "gateway", "id")
    assert outcome.status == 503
    names = dict(outcome.headers)
    assert names[b"retry-after"] == b"1"
    assert b"ratelimit" not in names
    assert b"ratelimit-policy" not in names
    assert b"www-authenticate" not in names


@pytest.mark.parametrize("is_known", [True, False], ids=["known to be down", "found out"])
async def test_a_request_counted_here_is_a_degraded_one(bench: Bench, is_known: bool) -> None:
    policy = Policy(id="orders", path="/orders", limits=LimitSet((ALLOW, LOCAL)))
    world, engine, key = engine_over(bench, policy)
    await world.poll()
    healthy = await engine.decide(request(key=key))
    assert isinstance(healthy, Allow)
    assert not healthy.is_degraded
    bench.counters.failure, bench.counters.is_reachable = "timeout", not is_known
    decision = await engine.decide(request(key=key))
    assert isinstance(decision, Allow)
    assert decision.is_degraded
    assert [kept.id for kept in decision.limits.limits] == ["local"]
    assert decision.outcome is not None
    assert decision.limits.status_format % decision.outcome.status == b'"local";r=3;t=60'
    for _ in range(3):
        await engine.decide(request(key=key))
    refused = await engine.decide(request(key=key))
    assert isinstance(refused, Deny)
    assert (refused.reason, refused.limits) == (Reason.RATE_LIMITED, decision.limits)


async def test_a_request_whose_limits_are_all_skipped_tells_of_none(bench: Bench) -> None:
    world, engine, key = engine_over(bench, Policy(id="orders", path="/orders", limits=LimitSet((ALLOW,))))
    bench.go_down()
    await world.poll()
    decision = await engine.decide(request(key=key))
    assert isinstance(decision, Allow)
    assert (decision.outcome, decision.is_degraded) == (None, True)


async def test_in_shadow_mode_who_cannot_be_counted_passes_as_itself(bench: Bench) -> None:
    policy = Policy(id="orders", path="/orders", limits=LimitSet((DENY,)), is_shadow=True)
    world, engine, key = engine_over(bench, policy)
    bench.go_down()
    await world.poll()
    decision = await engine.decide(request(key=key))
    assert isinstance(decision, Allow)
    assert decision.shadowed is Reason.DEPENDENCY_UNAVAILABLE
    assert decision.principal.key_id is not None


@pytest.mark.parametrize("is_reachable", [True, False])
def test_what_is_in_hand_is_told_whether_the_counters_of_all_answer_or_not(is_reachable: bool) -> None:
    bench = Bench()
    bench.counters.is_reachable = is_reachable
    bench.counters.in_hand = LimitOutcome(True, (1, 1))
    assert bench.limits.take_now(LimitSet((ALLOW,)), KEY) is bench.counters.in_hand
    assert not bench.own.failure
