"""The shared raw cases: bytes that two parsers may read differently. Whole, and a handful byte by byte."""

from __future__ import annotations

import base64

import pytest

from tests.conformance import deviations
from tests.conformance.edges import Edge, fresh_address
from tests.conformance.record import Record
from tests.conformance.vectors import Case, fill_bytes, shared
from tests.conformance.wire import Answer, Connection

pytestmark = pytest.mark.slow

CASES = [pytest.param(case, id=case["id"]) for case in shared("rawhttp")]
SPLIT = ("RAWH-A001", "RAWH-A007", "RAWH-A015", "RAWH-A018", "RAWH-A020")
"""The handful that is split: framing told twice, bare line ends, odd codings, odd chunks, two requests at once."""


@pytest.mark.parametrize("case", CASES)
def test_raw_bytes(edge: Edge, case: Case) -> None:
    judge(edge, case, *_send(edge, case, None))


@pytest.mark.parametrize("case", [param for param in CASES if param.id in SPLIT])
def test_raw_bytes_one_by_one(edge: Edge, case: Case) -> None:
    judge(edge, case, *_send(edge, case, 1))


def _send(edge: Edge, case: Case, step: int | None) -> tuple[list[Answer], bool]:
    raw = fill_bytes(base64.b64decode(case["raw_b64"]), edge.world.keys)
    with Connection(edge.port, fresh_address()) as connection:
        if step is None:
            connection.send(raw)
        else:
            connection.send_byte_by_byte(raw)
        return connection.answers(patience_seconds=2.0), connection.is_over


def judge(edge: Edge, case: Case, answers: list[Answer], is_over: bool) -> None:
    """Everything the case expects, of the one connection there was."""
    judge_connection(edge, case, edge.take_records(), answers, is_over)


def judge_connection(
    edge: Edge, case: Case, records: list[Record], answers: list[Answer], is_over: bool, *, is_whole: bool = True
) -> None:
    """Everything the case expects, and what is always so: no 5xx, nothing half said to an upstream.

    Where a server deviates from a whole request, it may do so from one in pieces too, or not.
    """
    expect = case["expect"]
    statuses = tuple(answer.status for answer in answers)
    assert all(200 <= status < 500 or status in (501, 505) for status in statuses), statuses
    assert not [record for record in records if b"/api/admin" in record.target]
    assert b"Traceback" not in edge.log()
    instead = deviations.instead(edge.name, case["id"])
    if instead is not None and (is_whole or (statuses, len(records), is_over) == instead[:3]):
        assert (statuses, len(records), is_over) == instead[:3], instead.reason
        return
    assert len(records) <= expect.get("upstream_requests_max", len(statuses)), records
    if "first_status" in expect:
        assert statuses, "no answer"
        assert statuses[0] in expect["first_status"]
    assert statuses == tuple(expect.get("statuses", statuses))
    assert len(statuses) <= expect.get("responses_max", 2)
    assert is_over or not expect.get("close")
    judge_records(edge, expect, records)


def judge_records(edge: Edge, expect: Case, records: list[Record]) -> None:
    """What went on is what the case lets go on."""
    names = {name.decode("latin-1").lower() for record in records for name, _ in record.fields}
    unwanted = set(expect.get("upstream_must_not_have", ()))
    assert not names & (unwanted if edge.is_proxy else unwanted - deviations.MOUNTED_ONLY)
    assert not records or names >= set(expect.get("upstream_must_have", ()))
    if "upstream_body" in expect:
        assert [record.body for record in records] == [expect["upstream_body"].encode()]
