"""The shared credential cases: where a credential may stand, in which form, and what becomes of every other."""

from __future__ import annotations

import pytest

from tests.conformance.answers import check_refusal
from tests.conformance.edges import Edge, fresh_address
from tests.conformance.vectors import Case, fill, shared
from tests.conformance.wire import ask, request

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in shared("credential")])
def test_a_credential(way: Edge, case: Case) -> None:
    keys = way.world.keys
    fields = [(name, fill(value, keys)) for name, value in case["headers"]]
    query = fill(case["query"], keys)
    answer = ask(
        way.port, request("GET", b"/api/items" + (b"?" + query if query else b""), fields), source=fresh_address()
    )
    records = way.take_records()
    assert answer.status in case["status"], answer
    assert len(records) == (answer.status == 200)
    if answer.status != 200 and answer.value("content-type") == "application/problem+json":
        check_refusal(answer)
    challenges = answer.values("www-authenticate")
    if case.get("www_authenticate"):
        assert challenges
    if case.get("no_error_code"):
        assert not [challenge for challenge in challenges if "error" in challenge]
    if "error" in case:
        assert [challenge for challenge in challenges if f'error="{case["error"]}"' in challenge]
    if "log_must_not_contain" in case:
        assert fill(case["log_must_not_contain"], keys) not in way.log()
    if "upstream_must_not_see" in case:
        unwanted = case["upstream_must_not_see"]
        assert not [value for record in records for _, value in record.fields if unwanted.encode() in value]
