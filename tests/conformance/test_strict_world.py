"""The world that requires HTTPS and names clients by Forwarded: its table, and the shared cases that need it."""

from __future__ import annotations

import pytest

from tests.conformance.clients import check_served as check_client
from tests.conformance.clients import served as served_clients
from tests.conformance.edges import Edge
from tests.conformance.inside import Inside
from tests.conformance.tables import check_decided, check_served, engines, served
from tests.conformance.vectors import Case
from tests.conformance.world import World

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("table", "case", "name"), served("strict"))
def test_a_decision(strict_edges: dict[str, Edge], table: str, case: Case, name: str) -> None:
    check_served(strict_edges[name], table, case)


@pytest.mark.parametrize(("table", "case"), engines("strict"))
def test_a_decision_of_the_engine(strict_inside: Inside, strict_world: World, table: str, case: Case) -> None:
    check_decided(strict_inside, strict_world, table, case)


@pytest.mark.parametrize(("case", "name"), served_clients("forwarded"))
def test_a_client_through_a_server(strict_edges: dict[str, Edge], case: Case, name: str) -> None:
    check_client(strict_edges[name], case, "forwarded")
