"""When a server is left alone, and when it is tried again."""

from __future__ import annotations

import logging

import pytest

from gateway_auth.adapters.redis.breaker import PROBE_SECONDS, Breaker
from tests.fakes import FakeClock


class Bench:
    """A breaker over a clock moved by hand."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.chance = 0.5
        self.changes: list[bool] = []
        self.breaker = Breaker("here:1", self.clock.monotonic, lambda: self.chance, self.changes.append)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_it_begins_closed(bench: Bench) -> None:
    assert not bench.breaker.is_open


def test_one_timeout_opens_it(bench: Bench) -> None:
    bench.breaker.failed("timeout")
    assert bench.breaker.is_open
    assert bench.breaker.reason == "timeout"
    assert bench.changes == [True]


def test_quick_failures_open_it_when_three_follow_each_other(bench: Bench) -> None:
    for expected in (False, False, True):
        bench.breaker.failed("refused")
        assert bench.breaker.is_open is expected


def test_a_success_starts_the_count_anew(bench: Bench) -> None:
    for _ in range(10):
        bench.breaker.failed("reset")
        bench.breaker.failed("reset")
        bench.breaker.succeeded()
    assert not bench.breaker.is_open


def test_a_success_that_was_under_way_does_not_close_it(bench: Bench) -> None:
    bench.breaker.failed("timeout")
    bench.breaker.succeeded()
    assert bench.breaker.is_open


def test_failures_while_open_change_nothing(bench: Bench) -> None:
    for _ in range(5):
        bench.breaker.failed("timeout")
    assert bench.breaker.openings == 1
    assert bench.changes == [True]


def test_a_probe_closes_it(bench: Bench) -> None:
    bench.breaker.failed("timeout")
    bench.breaker.recovered()
    assert not bench.breaker.is_open
    assert bench.changes == [True, False]
    bench.breaker.recovered()
    assert bench.changes == [True, False]


def test_the_first_probe_goes_out_at_once(bench: Bench) -> None:
    bench.breaker.failed("timeout")
    assert bench.breaker.probe_delay() == 0
    assert bench.breaker.probe_delay() == pytest.approx(PROBE_SECONDS)


def test_not_so_when_it_was_closed_a_moment_ago(bench: Bench) -> None:
    bench.breaker.failed("timeout")
    bench.breaker.recovered()
    bench.clock.advance(0.9)
    bench.breaker.failed("timeout")
    assert bench.breaker.probe_delay() > 0
    bench.breaker.recovered()
    bench.clock.advance(1.0)
    bench.breaker.failed("timeout")
    assert bench.breaker.probe_delay() == 0


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 0.2), (0.5, 0.25), (1.0, 0.3)])
def test_probes_are_spread_and_soon_enough(bench: Bench, chance: float, seconds: float) -> None:
    bench.breaker.failed("timeout")
    bench.breaker.probe_delay()
    bench.chance = chance
    assert bench.breaker.probe_delay() == pytest.approx(seconds)


def test_a_change_is_told_once_and_one_that_comes_and_goes_does_not_fill_the_log(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway_auth.redis")
    for _ in range(100):
        bench.breaker.failed("timeout")
        bench.clock.advance(0.05)
        bench.breaker.recovered()
    assert caplog.messages == [
        "Redis here:1 is left alone until it answers again: timeout",
        "Redis here:1 answers again after 0.05 s",
    ]
    bench.clock.advance(10)
    bench.breaker.failed("refused")
    bench.breaker.failed("refused")
    bench.breaker.failed("refused")
    assert caplog.messages[2:] == ["Redis here:1 is left alone until it answers again: refused"]


def test_it_needs_nobody_who_listens() -> None:
    breaker = Breaker("here:1", FakeClock().monotonic, lambda: 0.5)
    breaker.failed("timeout")
    breaker.recovered()
    assert not breaker.is_open
