"""Windows keep their definition whatever arrives when: never one too many, and what they say of the future is true."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway_auth.core.rates import Rate, parse_rate
from gateway_auth.core.windows import MICROSECONDS, Window, new_window

S = MICROSECONDS

# Steps between arrivals, in microseconds: bursts at one moment, the edges of periods and grains, long pauses.
steps = st.one_of(
    st.just(0),
    st.integers(1, 50),
    st.integers(1, 3 * S),
    st.sampled_from([S, S - 1, S + 1, S // 64, S // 64 - 1, 10 * S]),
)
arrivals = st.lists(st.tuples(steps, st.integers(1, 3)), min_size=1, max_size=120)
counts = st.sampled_from([1, 2, 3, 7, 64, 65, 70, 200])


def admitted(window: Window, log: list[tuple[int, int]], start: int = 0) -> list[tuple[int, int]]:
    """(moment, cost) of what was taken of these arrivals."""
    now, taken = start, []
    for step, cost in log:
        now += step
        if window.take(cost, now, now) is not None:
            taken.append((now, cost))
    return taken


def most_in_any(period: int, log: list[tuple[int, int]]) -> int:
    """The most that lies in any half-open interval of that length: one begins at each entry."""
    return max((sum(cost for at, cost in log if begin <= at < begin + period) for begin, _ in log), default=0)


# -- sliding -------------------------------------------------------------------------------------------------------


@given(counts, arrivals, st.integers(0, 3 * S))
@example(65, [(0, 1)] * 65 + [(S, 1)] * 2, 0)
@example(70, [(S // 64, 2)] * 110, S - 1)
def test_a_sliding_window_never_admits_more_in_any_period(count: int, log: list[tuple[int, int]], start: int) -> None:
    taken = admitted(new_window(Rate(count, 1)), log, start)
    assert most_in_any(S, taken) <= count


@given(st.integers(1, 64), arrivals)
def test_up_to_64_per_period_a_sliding_window_refuses_nothing_that_fits(count: int, log: list[tuple[int, int]]) -> None:
    window, now, taken = new_window(Rate(count, 1)), 5 * S, list[tuple[int, int]]()
    for step, cost in log:
        now += step
        held = sum(spent for at, spent in taken if at > now - S)
        is_admitted = window.take(cost, now, now) is not None
        assert is_admitted is (held + cost <= count)
        if is_admitted:
            taken.append((now, cost))


@given(st.sampled_from([65, 100, 640]), arrivals)
def test_above_that_it_gives_back_at_most_a_64th_of_the_period_late(count: int, log: list[tuple[int, int]]) -> None:
    window, now, taken = new_window(Rate(count, 1)), 5 * S, list[tuple[int, int]]()
    for step, cost in log:
        now += step
        held = sum(spent for at, spent in taken if at > now - S - S // 64)
        is_admitted = window.take(cost, now, now) is not None
        assert is_admitted or held + cost > count
        if is_admitted:
            taken.append((now, cost))


def test_the_edge_of_two_periods_is_no_way_around() -> None:
    window = new_window(parse_rate("10/minute"))
    assert len(admitted(window, [(59 * S, 1)] + [(0, 1)] * 11)) == 10
    assert len(admitted(window, [(2 * S, 1)] * 5, 59 * S)) == 0
    assert window.take(1, 119 * S - 1, 0) is None
    assert window.take(1, 119 * S, 0) is not None


def test_a_limit_of_zero_admits_nothing() -> None:
    window = new_window(parse_rate("0/minute"))
    assert window.take(1, S, S) is None
    assert window.look(S, S) == (0, 0)
    assert window.wait(1, S, S) == 60 * S


def test_a_busy_window_stays_small() -> None:
    window = new_window(Rate(1_000_000, 1))
    for now in range(0, 3 * S, 997):
        window.take(1, now, now)
    marks = getattr(window, "_marks", ())
    assert len(marks) <= 66


# -- bucket --------------------------------------------------------------------------------------------------------


@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 20), arrivals)
def test_a_bucket_never_gives_more_than_its_burst_and_what_flowed_in(
    count: int, period: int, burst: int, log: list[tuple[int, int]]
) -> None:
    taken = admitted(new_window(Rate(count, period, "bucket", burst)), log, 7 * S)
    for first, (begin, _) in enumerate(taken):
        spent = 0
        for at, cost in taken[first:]:
            spent += cost
            # in ticks, so that nothing is rounded: spent <= burst + count * elapsed / period
            assert spent * period * S <= burst * period * S + count * (at - begin)


@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 20), arrivals)
def test_a_bucket_gives_all_that_flowed_in(count: int, period: int, burst: int, log: list[tuple[int, int]]) -> None:
    window, now, level = new_window(Rate(count, period, "bucket", burst)), 7 * S, burst * period * S
    for step, cost in log:
        now += step
        level = min(burst * period * S, level + count * step)
        is_admitted = window.take(cost, now, now) is not None
        assert is_admitted is (level >= cost * period * S)
        if is_admitted:
            level -= cost * period * S


def test_a_bucket_is_full_at_first_and_refills_evenly() -> None:
    window = new_window(parse_rate("2/second burst 3"))
    assert len(admitted(window, [(0, 1)] * 5, 100 * S)) == 3
    assert window.look(100 * S, 0) == (0, S // 2)
    assert window.take(1, 100 * S + S // 2 - 1, 0) is None
    assert window.take(1, 100 * S + S // 2, 0) == (0, S // 2)
    assert window.look(200 * S, 0) == (3, 0)
    assert window.wait(1, 200 * S, 0) == 0


# -- fixed ---------------------------------------------------------------------------------------------------------

UNITS = ["second", "minute", "hour", "day", "month"]


def unit_of(utc: int, unit: str) -> tuple[int, ...]:
    moment = datetime.fromtimestamp(utc // S, UTC)
    return moment.timetuple()[: {"month": 2, "day": 3, "hour": 4, "minute": 5, "second": 6}[unit]]


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * S)


EDGES = [
    at("2024-02-29T23:59:59"),
    at("2025-02-28T23:59:59"),
    at("2025-12-31T23:59:59"),
    at("2025-01-31T12:00:00"),
    at("1970-01-01"),
]


@given(
    st.sampled_from(UNITS),
    st.integers(1, 5),
    st.sampled_from(EDGES),
    st.lists(
        st.one_of(st.integers(0, 2 * S), st.integers(0, 40 * 86400 * S), st.sampled_from([0, S, 86400 * S])),
        max_size=80,
    ),
)
def test_a_fixed_window_admits_its_count_per_unit_of_utc_and_no_less(
    unit: str, count: int, start: int, moves: list[int]
) -> None:
    window, utc, spent = new_window(parse_rate(f"{count}/{unit} fixed")), start, dict[tuple[int, ...], int]()
    for move in moves:
        utc += move
        unit_now = unit_of(utc, unit)
        is_admitted = window.take(1, 0, utc) is not None
        assert is_admitted is (spent.get(unit_now, 0) < count)
        spent[unit_now] = spent.get(unit_now, 0) + is_admitted


@given(
    st.sampled_from(["second", "minute", "day", "month"]),
    st.integers(1, 3),
    st.sampled_from(EDGES[:4]),
    st.lists(st.floats(-0.9, 1.5), max_size=60),
)
def test_a_clock_set_back_by_less_than_a_unit_gives_nothing_twice(
    unit: str, count: int, start: int, moves: list[float]
) -> None:
    period = {"second": 1, "minute": 60, "day": 86400, "month": 28 * 86400}[unit] * S
    window = new_window(parse_rate(f"{count}/{unit} fixed"))
    latest = utc = start
    total, units = 0, set[tuple[int, ...]]()
    for move in moves:
        utc = max(utc + int(move * period), latest - period + 1)
        latest = max(latest, utc)
        units.add(unit_of(utc, unit))
        total += window.take(1, 0, utc) is not None
    assert total <= count * len(units)


@pytest.mark.parametrize("unit", UNITS)
def test_a_clock_set_far_back_keeps_nobody_waiting_for_the_old_window(unit: str) -> None:
    window = new_window(parse_rate(f"1/{unit} fixed"))
    then = at("2025-06-15T12:00:00")
    assert window.take(1, 0, then) is not None
    assert window.take(1, 0, then) is None
    assert window.take(1, 0, then - 100 * 86400 * S) is not None


@pytest.mark.parametrize(
    ("now", "seconds"),
    [
        ("2024-02-01T00:00:00", 29 * 86400), ("2025-02-01T00:00:00", 28 * 86400), ("2025-01-31T23:59:59", 1),
        ("2025-12-31T00:00:00", 86400), ("2025-04-30T23:59:59.999999", 1e-6), ("2025-12-01T00:00:00", 31 * 86400),
    ],
)  # fmt: skip
def test_a_calendar_month_ends_with_the_month(now: str, seconds: float) -> None:
    window = new_window(parse_rate("1/month fixed"))
    assert window.take(1, 0, at(now)) == (0, round(seconds * S))


# -- all kinds -----------------------------------------------------------------------------------------------------

RATES = [
    "3/second",
    "70/second",
    "200/minute",
    "3/2 seconds burst 4",
    "7/second burst 2",
    "3/second fixed",
    "5/minute fixed",
]
rates = st.sampled_from(RATES)


@given(rates, arrivals)
def test_what_is_left_and_when_it_comes_back_is_true(text: str, log: list[tuple[int, int]]) -> None:
    rate = parse_rate(text)
    window, now = new_window(rate), 11 * S
    for step, cost in log:
        now += step
        if (taken := window.take(cost, now, now)) is None:
            continue
        left, reset = taken
        assert 0 <= left <= rate.capacity - cost
        assert 0 < reset <= max(rate.period_seconds, -(-rate.burst * rate.period_seconds // rate.count)) * S
        assert window.look(now, now) == (left, reset)
        # That much fits now, and one more does not.
        assert left == 0 or window.take(left, now, now) is not None
        if left:
            window.undo(left)
        assert window.take(left + 1, now, now) is None


@given(rates, arrivals)
def test_waiting_as_told_admits_and_waiting_less_does_not(text: str, log: list[tuple[int, int]]) -> None:
    rate = parse_rate(text)
    window, now = new_window(rate), 11 * S
    for step, cost in log:
        now += step
        if cost <= rate.capacity and window.take(cost, now, now) is None:
            wait = window.wait(cost, now, now)
            assert wait > 0
            assert window.take(cost, now + wait - 1, now + wait - 1) is None
            now += wait
            assert window.take(cost, now, now) is not None


@given(rates, arrivals, st.lists(st.integers(1, 3), min_size=1, max_size=5))
def test_what_was_undone_was_never_taken(text: str, log: list[tuple[int, int]], extra: list[int]) -> None:
    plain, other = new_window(parse_rate(text)), new_window(parse_rate(text))
    now = 11 * S
    for index, (step, cost) in enumerate(log):
        now += step
        tried = extra[index % len(extra)]
        if other.take(tried, now, now) is not None:
            other.undo(tried)
        assert other.take(cost, now, now) == plain.take(cost, now, now)
        assert other.look(now, now) == plain.look(now, now)
        assert other.wait(cost, now, now) == plain.wait(cost, now, now)


@given(rates, arrivals)
@settings(max_examples=50)
def test_what_is_left_only_grows_with_time_and_only_shrinks_by_taking(text: str, log: list[tuple[int, int]]) -> None:
    window, now = new_window(parse_rate(text)), 11 * S
    seen = []
    for step, _ in log:
        now += step
        if window.take(1, now, now) is not None:
            seen.append((now, window.look(now, now)[0]))
    for (before, left), (after, left_after) in pairwise(seen):
        if before == after:
            assert left_after == left - 1
