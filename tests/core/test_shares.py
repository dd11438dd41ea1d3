"""The parts of a limit that workers keep to by themselves."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.counters import Counters, take_all
from gateway_auth.core.limits import LimitSet
from gateway_auth.core.shares import Share, part_of
from gateway_auth.core.windows import MICROSECONDS
from tests.fakes import limit

COUNTS = st.integers(0, 1000)
WORKERS = st.integers(2, 40)
COSTS = st.integers(1, 7)


def parts(rate: str, workers: int, cost: int = 1) -> list[int]:
    """How much each worker may admit at once."""
    whole = limit("x", rate, cost=cost)
    return [part_of(whole, Share(workers, rank)).rate.capacity for rank in range(workers)]


@pytest.mark.parametrize(
    ("rate", "workers", "cost", "expected"),
    [
        ("100/minute", 1, 1, [100]),
        ("100/minute", 2, 1, [50, 50]),
        ("100/minute", 3, 1, [34, 33, 33]),
        ("2/minute", 4, 1, [1, 1, 0, 0]),
        ("0/minute", 2, 1, [0, 0]),
        ("1000/day fixed", 3, 1, [334, 333, 333]),
        ("10/month fixed", 4, 1, [3, 3, 2, 2]),
        ("10/minute", 4, 5, [5, 5, 0, 0]),
        ("11/minute", 2, 5, [5, 5]),
        ("5/second burst 20", 3, 1, [7, 7, 6]),
        ("5/second burst 2", 3, 1, [1, 1, 0]),
        ("5/second burst 9", 2, 4, [4, 4]),
    ],
)
def test_parts(rate: str, workers: int, cost: int, expected: list[int]) -> None:
    assert parts(rate, workers, cost) == expected


@given(COUNTS, WORKERS, COSTS, st.sampled_from(["{}/minute", "{}/day fixed"]))
def test_parts_are_together_no_more_than_the_limit_and_no_request_less(
    amount: int, workers: int, cost: int, rate: str
) -> None:
    found = parts(rate.format(amount), workers, cost)
    assert sum(found) == amount // cost * cost
    assert max(found) - min(found) <= cost
    assert all(part % cost == 0 for part in found)


@given(st.integers(1, 1000), st.integers(1, 1000), WORKERS, COSTS)
def test_parts_of_a_bucket_refill_together_no_faster_than_the_whole(
    amount: int, burst: int, workers: int, cost: int
) -> None:
    whole = limit("x", f"{amount}/minute burst {burst}", cost=cost)
    rates = [part_of(whole, Share(workers, rank)).rate for rank in range(workers)]
    assert sum(rate.burst for rate in rates) == burst // cost * cost
    # In requests per minute, of those that hold any: exactly the whole's.
    holders = [rate for rate in rates if rate.burst]
    assert all(rate.period_seconds == 60 * len(holders) and rate.count == amount for rate in holders)


@given(
    st.sampled_from(["{}/minute", "{}/day fixed", "{}/minute burst {}", "{}/month fixed"]),
    st.integers(1, 50), st.integers(1, 50), WORKERS, COSTS, st.integers(0, 39),
    st.lists(st.integers(0, 90), max_size=30),
)  # fmt: skip
def test_what_is_told_of_a_part_fits_the_policy_of_the_whole(
    rate: str, amount: int, burst: int, workers: int, cost: int, rank: int, waits: list[int]
) -> None:
    whole = limit("x", rate.format(amount, burst), cost=cost)
    part = part_of(whole, Share(workers, rank % workers))
    assert (part.policy_item, part.status_item, part.key) == (whole.policy_item, whole.status_item, whole.key)
    quota, window = (int(item.split(b"=")[1]) for item in whole.policy_item.split(b";")[1:])
    limits, counters, now = LimitSet((part,)), [Counters(part)], 1_700_000_000 * MICROSECONDS
    for wait in waits:
        now += wait * MICROSECONDS
        remaining, reset = take_all(limits, counters, ("client",), now, now).status
        assert 0 <= remaining <= quota
        assert 0 <= reset <= window


def test_one_worker_keeps_to_the_limit_itself() -> None:
    whole = limit("x", "10/minute")
    assert part_of(whole, Share()) is whole


@given(st.integers(1, 60), st.integers(1, 8))
def test_workers_admit_together_what_one_would_have(amount: int, workers: int) -> None:
    whole = limit("x", f"{amount}/minute")
    admitted = 0
    for rank in range(workers):
        part = LimitSet((part_of(whole, Share(workers, rank)),))
        counters = [Counters(part.limits[0])]
        admitted += next(taken for taken in count() if not take_all(part, counters, ("client",), 0, 0).is_admitted)
    assert admitted == amount
