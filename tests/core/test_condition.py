"""What readiness probes are told."""

from __future__ import annotations

import pytest

from gateway_auth.core.condition import Condition, joined


@pytest.mark.parametrize(
    ("condition", "status", "body"),
    [
        (Condition(True), 200, b'{"status":"ok"}'),
        (Condition(True, ("redis",)), 200, b'{"status":"degraded","without":["redis"]}'),
        (Condition(False), 503, b'{"status":"unavailable"}'),
        (Condition(False, ("store",)), 503, b'{"status":"unavailable","without":["store"]}'),
    ],
)
def test_a_condition_is_told(condition: Condition, status: int, body: bytes) -> None:
    assert (condition.status, condition.body) == (status, body)


@pytest.mark.parametrize(
    ("workers", "all_of_them"),
    [
        ([], Condition(False)),
        ([Condition(True), Condition(False)], Condition(True)),
        ([Condition(True, ("store",)), Condition(True, ("redis",))], Condition(True, ("redis", "store"))),
        ([Condition(False, ("store",)), Condition(False, ("store",))], Condition(False, ("store",))),
    ],
)
def test_workers_are_ready_while_one_is(workers: list[Condition], all_of_them: Condition) -> None:
    assert joined(workers) == all_of_them
