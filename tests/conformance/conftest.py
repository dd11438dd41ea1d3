"""Worlds and their edges, started when the first test asks for them, and a line on where the shared cases are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.asking import ASKED, asked
from tests.conformance.edges import EDGES, Edge, serving
from tests.conformance.inside import Inside, inside
from tests.conformance.vectors import VARIABLE, own, shared_folder
from tests.conformance.world import World, make_world


def pytest_report_header() -> str:
    """Shown at the top of a run."""
    return _where()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shown at the end of a run that lacked them."""
    if shared_folder() is None:
        terminalreporter.section("conformance")
        terminalreporter.line(_where())


def _where() -> str:
    count = sum(len(table["cases"]) for table in own())
    if shared_folder() is None:
        return f"conformance: {count} decision cases; the shared vectors are absent ({VARIABLE} names their folder)"
    return f"conformance: {count} decision cases and the shared vectors"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A table without cases makes no tests, where pytest would make one and skip it: the summary tells instead."""
    empty = [
        item for item in items if any("empty parameter set" in str(mark.kwargs) for mark in item.iter_markers("skip"))
    ]
    if empty:
        config.hook.pytest_deselected(items=empty)
        items[:] = [item for item in items if item not in empty]


@pytest.fixture(scope="session")
def main_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Most of the tables: x-forwarded-for from trusted proxies, plain HTTP, the brake on."""
    return make_world("main", _folder(tmp_path_factory, "main"))


@pytest.fixture(scope="session")
def strict_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Forwarded from trusted proxies, HTTPS required."""
    return make_world("strict", _folder(tmp_path_factory, "strict"))


@pytest.fixture(scope="session")
def main_edges(main_world: World) -> Iterator[dict[str, Edge]]:
    """Every way into the main world."""
    with serving(main_world) as edges, asked(main_world) as third:
        yield {**edges, ASKED: third}


@pytest.fixture(scope="session")
def strict_edges(strict_world: World) -> Iterator[dict[str, Edge]]:
    """Every way into the strict world."""
    with serving(strict_world) as edges, asked(strict_world) as third:
        yield {**edges, ASKED: third}


@pytest.fixture(params=EDGES)
def edge(request: pytest.FixtureRequest, main_edges: dict[str, Edge]) -> Edge:
    """One way into the main world after the other, with nothing recorded yet."""
    return _quiet(main_edges[request.param])


@pytest.fixture(params=(*EDGES, ASKED))
def way(request: pytest.FixtureRequest, main_edges: dict[str, Edge]) -> Edge:
    """The same, and the third way in: a proxy that asks."""
    return _quiet(main_edges[request.param])


@pytest.fixture(params=EDGES)
def strict_edge(request: pytest.FixtureRequest, strict_edges: dict[str, Edge]) -> Edge:
    """One way into the strict world after the other, with nothing recorded yet."""
    return _quiet(strict_edges[request.param])


def _quiet(edge: Edge) -> Edge:
    edge.take_records(keeps_credentials=True)
    edge.take_broken()
    return edge


def _folder(factory: pytest.TempPathFactory, name: str) -> Path:
    return factory.mktemp(name)


@pytest.fixture(scope="session")
def main_inside(main_world: World) -> Iterator[Inside]:
    """The main world's gateway without a server."""
    with inside(main_world.write("inside", 8080, 8081, None)) as opened:
        yield opened


@pytest.fixture(scope="session")
def strict_inside(strict_world: World) -> Iterator[Inside]:
    """The strict world's gateway without a server."""
    with inside(strict_world.write("inside", 8080, 8081, None)) as opened:
        yield opened
