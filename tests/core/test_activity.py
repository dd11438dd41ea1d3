"""When a key behaves unlike itself: each rule at its threshold and beside it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway_auth.core.activity import MAX_NETWORKS, Activity, Moment, anomalies

NOW = Moment(1_700_000_000)
DAY = 86400
Facts = dict[str, Any]
HOUR = 3600
NETWORK = ("198.51.100.0/24", NOW.now - HOUR)
SETTLED: Facts = {"networks": 3, "networks_since": NOW.now - 30 * DAY, "new_networks": (NETWORK,)}
BURST: Facts = {"count": 100, "refused": 50, "past_count": 1000, "past_refused": 250}
VOLUME: Facts = {"count": 900, "busiest_hour": 300, "past_since": NOW.now - 3 * DAY}

TABLE: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing": ({}, []),
    "a new network": (SETTLED, ["new_network"]),
    "two of them": (SETTLED | {"new_networks": (NETWORK, ("2001:db8::/48", NOW.now))}, ["new_network"] * 2),
    "no new one": (SETTLED | {"new_networks": ()}, []),
    "a young key": (SETTLED | {"networks_since": NOW.now - 7 * DAY + 1}, []),
    "a key a week old": (SETTLED | {"networks_since": NOW.now - 7 * DAY}, ["new_network"]),
    "a key that roams": (SETTLED | {"networks": MAX_NETWORKS}, []),
    "one that nearly does": (SETTLED | {"networks": MAX_NETWORKS - 1}, ["new_network"]),
    "a burst": (BURST, ["refusals"]),
    "few refusals": (BURST | {"count": 49, "refused": 49}, []),
    "many, among more answers": (BURST | {"count": 101}, []),
    "as usual": (BURST | {"past_refused": 251}, []),
    "a burst of a new key": (BURST | {"past_count": 0, "past_refused": 0}, ["refusals"]),
    "a volume": (VOLUME, ["volume"]),
    "a little less": (VOLUME | {"count": 899}, []),
    "a small volume": (VOLUME | {"count": 499, "busiest_hour": 1}, []),
    "just enough": (VOLUME | {"count": 500, "busiest_hour": 1}, ["volume"]),
    "of a key not known long": (VOLUME | {"past_since": NOW.now - 3 * DAY + 1}, []),
    "of a key without a past": (VOLUME | {"past_since": None}, []),
    "all at once": (SETTLED | VOLUME | BURST | {"count": 900, "refused": 800}, ["new_network", "refusals", "volume"]),
}


@pytest.mark.parametrize(("facts", "kinds"), TABLE.values(), ids=TABLE)
def test_each_rule_at_its_threshold(facts: dict[str, Any], kinds: list[str]) -> None:
    found = list(anomalies(Activity(key_id="key1", **facts), NOW))
    assert [one.kind for one in found] == kinds
    assert {one.key_id for one in found} <= {"key1"}


def test_the_reasons_are_sentences_with_the_numbers_they_come_from() -> None:
    facts = SETTLED | VOLUME | {"refused": 800, "past_count": 1000, "past_refused": 250}
    assert [(one.reason, one.since, one.subject) for one in anomalies(Activity(key_id="key1", **facts), NOW)] == [
        (
            "used from 198.51.100.0/24 for the first time, after 30 days from 2 other networks",
            NOW.now - HOUR,
            "198.51.100.0/24",
        ),
        ("800 of 900 answers in the last hour were 4xx; in the 7 days before 250 of 1000", NOW.last_hour, ""),
        ("900 requests in the last hour; the busiest hour of the 7 days before had 300", NOW.last_hour, ""),
    ]


def test_the_last_hour_begins_at_a_whole_minute() -> None:
    assert NOW.last_hour % 60 == 0
    assert 0 <= NOW.now - NOW.last_hour - HOUR < 60
    assert NOW.last_hour - NOW.history == 7 * DAY
