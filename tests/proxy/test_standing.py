"""When a server gets no requests, and when it gets them again."""

from __future__ import annotations

import logging

import pytest

from gateway_auth.proxy.standing import Standing


class Clock:
    """Moved by hand."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def standing(clock: Clock) -> Standing:
    return Standing("upstream a", clock, fail_after=3, fail_seconds=10)


def test_failures_in_a_row_take_a_server_out_for_a_while(standing: Standing, clock: Clock) -> None:
    found = []
    for _ in range(3):
        found.append(standing.is_fit())
        standing.strike("refused")
    assert (found, standing.is_fit()) == ([True] * 3, False)
    clock.seconds += 9.9
    assert not standing.is_fit()
    clock.seconds += 0.1
    assert standing.is_fit()


def test_an_answer_in_between_forgives(standing: Standing) -> None:
    for _ in range(5):
        standing.strike("refused")
        standing.strike("refused")
        standing.absolve()
    assert standing.is_fit()


def test_after_its_time_out_one_more_failure_is_enough(standing: Standing, clock: Clock) -> None:
    for _ in range(3):
        standing.strike("refused")
    clock.seconds += 10
    assert standing.is_fit()
    standing.strike("refused")
    assert not standing.is_fit()


def test_failures_while_it_is_out_do_not_prolong_it(standing: Standing, clock: Clock) -> None:
    for _ in range(3):
        standing.strike("refused")
    clock.seconds += 9
    standing.strike("refused, when all are out and it is tried all the same")
    clock.seconds += 1
    assert standing.is_fit()


def test_an_answer_while_it_is_out_brings_it_back(standing: Standing) -> None:
    for _ in range(3):
        standing.strike("refused")
    standing.absolve()
    assert standing.is_fit()


def test_checks_and_requests_are_counted_apart(standing: Standing) -> None:
    standing.check_failed("status 500")
    standing.absolve()
    assert not standing.is_fit()
    standing.check_passed()
    assert standing.is_fit()


def test_nothing_takes_a_server_out_where_that_is_turned_off(clock: Clock) -> None:
    standing = Standing("upstream a", clock, fail_after=0, fail_seconds=10)
    for _ in range(100):
        standing.strike("refused")
    assert standing.is_fit()


def test_each_change_is_told_once(standing: Standing, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(9):
            standing.strike("refused")
            standing.check_failed("status 500")
        for _ in range(9):
            standing.absolve()
            standing.check_passed()
    assert caplog.messages == [
        "upstream a gets no requests, its health checks fail: status 500",
        "upstream a gets no requests for 10 s, 3 failed in a row; the last: refused",
        "upstream a answers again",
        "upstream a passes its health checks again",
    ]
