"""The project's own decision tables: every case through every way in, and through the engine alone."""

from __future__ import annotations

import pytest

from gateway_auth.core.decision import Reason
from tests.conformance.deciding import reason_of
from tests.conformance.edges import Edge
from tests.conformance.inside import Inside
from tests.conformance.tables import check_decided, check_served, engines, served
from tests.conformance.vectors import Case, own
from tests.conformance.world import World

pytestmark = pytest.mark.slow

REACHABLE = frozenset(Reason) - {
    Reason.DEPENDENCY_UNAVAILABLE, Reason.UPSTREAM_UNAVAILABLE, Reason.UPSTREAM_TIMEOUT,
}  # fmt: skip
"""What a request alone can bring about. The three others need something to be down."""


def test_every_reason_a_request_can_bring_about_has_a_case() -> None:
    listed = [words for table in own() for case in table["cases"] for words in case.get("requests", [case])]
    assert {reason_of(words) for words in listed} - {None} == REACHABLE


def test_the_tables_name_each_case_once() -> None:
    names = [case["id"] for table in own() for case in table["cases"]]
    assert len(names) == len(set(names)) >= 80


@pytest.mark.parametrize(("table", "case", "name"), served("main"))
def test_a_decision(main_edges: dict[str, Edge], table: str, case: Case, name: str) -> None:
    check_served(main_edges[name], table, case)


@pytest.mark.parametrize(("table", "case"), engines("main"))
def test_a_decision_of_the_engine(main_inside: Inside, main_world: World, table: str, case: Case) -> None:
    check_decided(main_inside, main_world, table, case)
