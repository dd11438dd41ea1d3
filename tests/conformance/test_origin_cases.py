"""The shared origin cases, as rules of a key and as rules of a route: both must say the same."""

from __future__ import annotations

import pytest

from tests.conformance.answers import check_pass, check_refusal
from tests.conformance.edges import Edge, fresh_address
from tests.conformance.vectors import Case, shared
from tests.conformance.wire import ask, request
from tests.conformance.world import allow_lists

pytestmark = pytest.mark.slow

CASES = [pytest.param(case, id=case["id"]) for case in shared("origin")]


@pytest.mark.parametrize("ruled_by", ["key", "route"])
@pytest.mark.parametrize("case", CASES)
def test_an_origin(way: Edge, case: Case, ruled_by: str) -> None:
    number = allow_lists().index(tuple(case["allow"]))
    target, key = ("/client", f"origin-{number}") if ruled_by == "key" else (f"/origin/{number}", "KEY")
    fields = [(name, value.encode()) for name, value in case["headers"]]
    fields.append(("X-API-Key", way.world.keys[key].encode()))
    answer = ask(way.port, request("GET", target, fields), source=fresh_address())
    assert len(way.take_records()) == case["expect_allowed"]
    if case["expect_allowed"]:
        check_pass(answer)
    else:
        assert check_refusal(answer) == "referrer_not_allowed"
