"""`in_flight` of a limit: what it compiles to, what it is named, and what it excludes."""

from __future__ import annotations

import pytest

from gateway_auth.cli.explanation import route_view
from gateway_auth.core.cachekey import limit_key
from tests.config.writing import Written, loaded, problems, route, with_route, written

ONE_OF_TWO = 'needs one of the two, rate = "100/minute" or in_flight = 5, and not both'


def limit(**keys: object) -> Written:
    return with_route(limits=[{"by": "key", **keys}])


def test_a_limit_on_requests_at_once_stands_apart_from_those_of_a_rate() -> None:
    both = with_route(limits=[{"in_flight": 5, "by": "app", "on_unavailable": "deny"}, {"rate": "1/day", "by": "key"}])
    (policy,) = loaded(both).rules.policies
    (slots,) = policy.limits.slots
    assert [rate.id for rate in policy.limits.limits] == ["key-1-per-day"]
    assert (slots.id, slots.slots, slots.by, slots.on_unavailable) == ("app-5-in-flight", 5, "app", "deny")
    assert slots.key == limit_key("route", "orders", "app-5-in-flight")
    assert policy.limits.bys == ("key", "app")


def test_a_plan_has_them_too_and_a_name_can_be_written() -> None:
    rules = loaded(written(plans={"free": {"limits": [{"id": "few", "in_flight": 1, "by": "app"}]}})).rules
    (slots,) = rules.plans["free"].slots
    assert (slots.id, slots.key) == ("few", limit_key("plan", "free", "few"))
    assert rules.has_slots()


def test_a_global_limit_is_one_for_all_that_name_it_with_the_same_number() -> None:
    def routes(*counts: int) -> list[Written]:
        return [
            route(id=f"r{n}", path=f"/{n}", limits=[{"id": "all", "in_flight": count, "by": "global"}])
            for n, count in enumerate(counts)
        ]

    one, same, other = (policy.limits.slots[0].key for policy in loaded(written(routes=routes(5, 5, 6))).rules.policies)
    assert one == same != other


def test_a_configuration_with_nothing_else_is_one_with_limits() -> None:
    configuration = loaded(written(gateway={"workers": 2}, routes=[route(limits=[{"in_flight": 5, "by": "key"}])]))
    assert configuration.has_limits()
    assert [warning.path for warning in configuration.warnings] == ["gateway.workers"]


@pytest.mark.parametrize("count", [1, 1_000_000])
def test_the_smallest_and_the_largest(count: int) -> None:
    assert problems(limit(in_flight=count)) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (limit(), f"routes[0].limits[0]: {ONE_OF_TWO}"),
        (limit(rate="1/day", in_flight=5), f"routes[0].limits[0]: {ONE_OF_TWO}"),
        (limit(in_flight=0), "routes[0].limits[0].in_flight: must be at least 1"),
        (limit(in_flight=-1), "routes[0].limits[0].in_flight: must be at least 1"),
        (limit(in_flight=1_000_001), "routes[0].limits[0].in_flight: must be at most 1000000"),
        (limit(in_flight="5"), "routes[0].limits[0].in_flight: must be a whole number"),
        (limit(in_flight=5.0), "routes[0].limits[0].in_flight: must be a whole number"),
        (limit(in_flight=True), "routes[0].limits[0].in_flight: must be a whole number"),
        (
            limit(in_flight=5, cost=2),
            "routes[0].limits[0]: in_flight counts requests, which all cost the same; remove cost",
        ),
        (
            limit(in_flight=5, mode="leased"),
            'routes[0].limits[0]: in_flight is always exact; remove mode = "leased"',
        ),
        (
            with_route(access="public", limits=[{"in_flight": 5, "by": "key"}]),
            'routes[0].limits: by = "key" contradicts access = "public", where nobody is known; count by "address"',
        ),
        (
            with_route(limits=[{"in_flight": 5, "by": "key"}, {"in_flight": 5, "by": "key"}]),
            'routes[0].limits[1].id: has the id "key-5-in-flight" like limits[0]; give each an id of its own',
        ),
        (
            written(plans={"free": {"limits": [{"by": "app"}]}}),
            f"plans.free.limits[0]: {ONE_OF_TWO}",
        ),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[:60],
)
def test_what_cannot_be_meant_is_refused_where_it_stands(source: Written, expected: str) -> None:
    assert problems(source) == [expected]


def test_an_operator_is_shown_it_with_the_other_limits() -> None:
    source = with_route(limits=[{"rate": "1/day", "by": "key"}, {"in_flight": 5, "by": "app"}])
    (policy,) = loaded(source).rules.policies
    assert route_view(policy)["limits"] == [
        {"id": "key-1-per-day", "rate": "1 times a day", "by": "key", "cost": 1},
        {"id": "app-5-in-flight", "in_flight": 5, "by": "app"},
    ]
