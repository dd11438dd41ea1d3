"""The shared path cases, in front of an app that takes every spelling for the path an attacker means."""

from __future__ import annotations

import pytest

from tests.conformance import deviations
from tests.conformance.edges import Edge, fresh_address
from tests.conformance.lenient import handlers
from tests.conformance.vectors import Case, shared
from tests.conformance.wire import ask, request

pytestmark = pytest.mark.slow

CASES = [pytest.param(case, id=case["id"]) for case in shared("path")]


@pytest.mark.parametrize("case", CASES)
def test_a_path(way: Edge, case: Case) -> None:
    fields = [(name, value.encode()) for name, value in case["headers"]]
    if case["credential"] == "read":
        fields.append(("X-API-Key", way.world.keys["KEY"].encode()))
    answer = ask(
        way.port, request(case["method"], case["target"], fields), method=case["method"], source=fresh_address()
    )
    records = way.take_records()
    reached = set().union(*map(handlers, records))
    assert case["forbidden_upstream_handler"] not in reached, records
    if case["id"] in deviations.FRAGMENT and way.name in deviations.CUT:
        assert [record.target for record in records] == [deviations.FRAGMENT[case["id"]]]
        return
    assert answer.status in case["allowed_status"], (answer, records)
