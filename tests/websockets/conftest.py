"""An upstream and every way in to it, started once for all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.asgi.world import build_site
from tests.websockets.edges import EDGES, PROXIES, Edge, serving
from tests.websockets.upstream import Upstream
from tests.websockets.upstream import serving as serving_upstream


@pytest.fixture(scope="session")
def all_edges(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Upstream, dict[str, Edge]]]:
    """By name, on one store."""
    site = build_site(tmp_path_factory.mktemp("websockets"))
    with serving_upstream() as upstream, serving(site, upstream) as edges:
        yield upstream, edges


@pytest.fixture
def upstream(all_edges: tuple[Upstream, dict[str, Edge]]) -> Upstream:
    """What is behind the proxies; it has seen nothing yet."""
    seen = all_edges[0]
    for records in (seen.requests, seen.messages, seen.closes):
        records.clear()
    seen.pushed = 0
    return seen


@pytest.fixture(params=PROXIES)
def proxy(request: pytest.FixtureRequest, all_edges: tuple[Upstream, dict[str, Edge]]) -> Edge:
    """One proxy after the other."""
    return all_edges[1][request.param]


@pytest.fixture(params=EDGES)
def edge(request: pytest.FixtureRequest, all_edges: tuple[Upstream, dict[str, Edge]]) -> Edge:
    """One way in after the other."""
    return all_edges[1][request.param]
