"""All limits of a request are taken or none, and what the headers say of them is true and valid."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.counters import Counters, take_all
from gateway_auth.core.limits import NO_LIMITS, Limit, LimitOutcome, LimitSet
from gateway_auth.core.outcome import limit_headers
from gateway_auth.core.rates import parse_rate
from gateway_auth.core.windows import MICROSECONDS, new_window
from tests.fakes import limit

S = MICROSECONDS
RATES = [
    "2/second",
    "5/second",
    "70/second",
    "4/3 seconds",
    "3/second burst 4",
    "1/2 seconds burst 3",
    "3/second fixed",
    "9/minute fixed",
]

limit_sets = st.lists(st.tuples(st.sampled_from(RATES), st.integers(1, 3)), min_size=1, max_size=4).map(
    lambda picked: LimitSet(
        limit(f"limit-{index}", rate, cost=min(cost, 2)) for index, (rate, cost) in enumerate(picked)
    )
)
moves = st.lists(st.one_of(st.just(0), st.integers(1, S), st.integers(1, 5 * S)), min_size=1, max_size=60)

ITEM = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"((?:;[a-z*][a-z0-9_.*-]*=-?[0-9]{1,15})*)')


def items(value: bytes) -> list[tuple[str, dict[str, int]]]:
    """A List of Strings with integer parameters (RFC 9651 section 4.2), or an AssertionError."""
    text, position, found = value.decode("ascii"), 0, []
    while True:
        match = ITEM.match(text, position)
        assert match, f"not a structured list: {text!r}"
        parameters = dict(part.split("=") for part in match.group(2).split(";")[1:])
        found.append(
            (re.sub(r"\\(.)", r"\1", match.group(1)), {key: int(number) for key, number in parameters.items()})
        )
        position = match.end()
        if position == len(text):
            return found
        assert text[position : position + 2] == ", "
        position += 2


def counters_of(limits: LimitSet) -> list[Counters]:
    return [Counters(one) for one in limits.limits]


def take(limits: LimitSet, counters: list[Counters], now: int, utc: int) -> LimitOutcome:
    """By a client that is the only one."""
    return take_all(limits, counters, ["client"] * len(counters), now, utc)


@given(limit_sets, moves)
def test_a_refused_request_changes_nothing(limits: LimitSet, steps: list[int]) -> None:
    """Beside the counters that saw all requests, others that saw only the admitted ones tell the same ever after."""
    seen_all, seen_admitted, now = counters_of(limits), counters_of(limits), 50 * S
    for step in steps:
        now += step
        outcome = take(limits, seen_all, now, now)
        if outcome.is_admitted:
            assert take(limits, seen_admitted, now, now) == outcome


@given(limit_sets, moves)
def test_a_request_is_admitted_exactly_when_each_limit_alone_would_admit_it(limits: LimitSet, steps: list[int]) -> None:
    together, alone, now = counters_of(limits), [new_window(one.rate) for one in limits.limits], 50 * S
    for step in steps:
        now += step
        fits = []
        for one, window in zip(limits.limits, alone, strict=True):
            fits.append(window.take(one.cost, now, now) is not None)
            if fits[-1]:
                window.undo(one.cost)
        outcome = take(limits, together, now, now)
        assert outcome.is_admitted is all(fits)
        assert set(outcome.violated) == {one.id for one, fit in zip(limits.limits, fits, strict=True) if not fit}
        if outcome.is_admitted:
            for one, window in zip(limits.limits, alone, strict=True):
                window.take(one.cost, now, now)


@given(limit_sets, moves)
def test_waiting_as_retry_after_says_admits(limits: LimitSet, steps: list[int]) -> None:
    counters, now = counters_of(limits), 50 * S
    for step in steps:
        now += step
        outcome = take(limits, counters, now, now)
        if not outcome.is_admitted:
            assert outcome.retry_after_seconds >= 1
            earlier = now + (outcome.retry_after_seconds - 1) * S
            assert outcome.retry_after_seconds == 1 or not take(limits, counters, earlier, earlier).is_admitted
            now += outcome.retry_after_seconds * S
            assert take(limits, counters, now, now).is_admitted


@given(limit_sets, moves)
def test_the_rate_limit_fields_are_valid_lists_and_never_promise_too_much(limits: LimitSet, steps: list[int]) -> None:
    counters, now = counters_of(limits), 50 * S
    for step in steps:
        now += step
        outcome = take(limits, counters, now, now)
        headers = dict(limit_headers(limits, outcome))
        policies, statuses = items(headers[b"ratelimit-policy"]), items(headers[b"ratelimit"])
        assert [name for name, _ in policies] == [name for name, _ in statuses] == [one.id for one in limits.limits]
        for (_, policy), (_, status) in zip(policies, statuses, strict=True):
            assert policy.keys() == {"q", "w"}
            assert 0 <= status["r"] <= policy["q"]
            assert 0 <= status["t"] <= policy["w"]


@pytest.mark.parametrize("now", ["2025-01-01", "2025-02-01", "2025-06-15"])
def test_a_calendar_month_is_never_longer_than_its_policy_says(now: str) -> None:
    limits = LimitSet((limit("quota", "10/month fixed"),))
    utc = int(datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp() * S)
    headers = dict(limit_headers(limits, take(limits, counters_of(limits), 0, utc)))
    assert items(headers[b"ratelimit"])[0][1]["t"] <= items(headers[b"ratelimit-policy"])[0][1]["w"]


def test_a_clock_set_back_makes_no_window_longer_than_its_policy_says() -> None:
    limits = LimitSet((limit("quota", "10/day fixed"),))
    counters, noon = counters_of(limits), (20_000 * 86400 + 43200) * S
    take(limits, counters, 0, noon)
    for hours_back in (1, 13, 23, 25, 35, 37, 47, 49):
        outcome = take(limits, counters, 0, noon - hours_back * 3600 * S)
        assert outcome.status[1] <= 86400, f"{hours_back} hours back"


@pytest.mark.parametrize(
    ("rate", "policy"),
    [
        ("100/minute", b'"x";q=100;w=60'),
        ("10/5 seconds", b'"x";q=10;w=5'),
        ("1000/day fixed", b'"x";q=1000;w=86400'),
        ("5/second burst 20", b'"x";q=20;w=4'),
        ("7/second burst 20", b'"x";q=20;w=3'),
        ("100/second burst 5", b'"x";q=5;w=1'),
        ("0/minute", b'"x";q=0;w=60'),
    ],
)
def test_a_policy_is_told_as_quota_and_window(rate: str, policy: bytes) -> None:
    assert LimitSet((limit("x", rate),)).policy_header == (b"ratelimit-policy", policy)


@pytest.mark.parametrize("name", ["per-key", 'a"b', "a\\b", "50%", "%d", "%s%%", "a;b, c=d"])
def test_any_name_of_a_limit_stays_one_string(name: str) -> None:
    limits = LimitSet((limit(name, "5/minute"),))
    headers = dict(limit_headers(limits, LimitOutcome(True, (4, 60))))
    assert items(headers[b"ratelimit"]) == [(name, {"r": 4, "t": 60})]
    assert items(headers[b"ratelimit-policy"]) == [(name, {"q": 5, "w": 60})]


def test_the_wait_is_that_of_the_slowest_limit_even_when_two_have_one_name() -> None:
    """A route's limit and a plan's may be named alike; the client must wait for both."""
    limits = LimitSet((limit("default", "1/hour"), limit("default", "1/second")))
    counters = counters_of(limits)
    assert take(limits, counters, S, S).is_admitted
    outcome = take(limits, counters, S, S)
    assert (outcome.retry_after_seconds, outcome.violated) == (3600, ("default", "default"))


def test_limits_are_joined_in_order_and_once() -> None:
    route, plan = LimitSet((limit("a", "1/hour"),)), LimitSet((limit("b", "1/day fixed"), limit("c", "2/second")))
    both = route.joined(plan)
    assert [one.id for one in both.limits] == ["a", "b", "c"]
    assert both is route.joined(plan)
    assert both is not plan.joined(route)
    assert (route.is_utc_needed, plan.is_utc_needed, both.is_utc_needed) == (False, True, True)
    assert NO_LIMITS.joined(plan).limits == plan.limits


def test_a_set_knows_whether_it_is_empty() -> None:
    assert not NO_LIMITS
    assert LimitSet((limit("a", "1/hour"),))


def test_a_limit_that_a_route_and_a_plan_name_is_taken_once() -> None:
    shared = Limit(id="all", key="global:all", rate=parse_rate("10/minute burst 10"), by="global")
    other = Limit(id="per-key", key="plan:per-key", rate=parse_rate("5/minute"), by="key")
    joined = LimitSet([shared]).joined(LimitSet([other, shared]))
    assert [limit.id for limit in joined.limits] == ["all", "per-key"]


def test_routes_that_share_a_limit_may_charge_it_differently() -> None:
    cheap = Limit(id="all", key="global:all", rate=parse_rate("10/minute"), by="global", cost=1)
    dear = Limit(id="all", key="global:all", rate=parse_rate("10/minute"), by="global", cost=6)
    counters = [Counters(cheap)]
    left = [take_all(LimitSet([limit]), counters, [0], S, S).status[0] for limit in (cheap, dear, cheap)]
    assert left == [9, 3, 2]
