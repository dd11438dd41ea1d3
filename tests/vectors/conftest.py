"""A line on whether the vectors of others took part."""

from __future__ import annotations

import pytest

from tests.conformance.vectors import VARIABLE, shared_folder


def pytest_report_header() -> str:
    """Shown at the top of a run."""
    return _where()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shown at the end of a run that lacked them."""
    if shared_folder() is None:
        terminalreporter.section("vectors")
        terminalreporter.line(_where())


def _where() -> str:
    if shared_folder() is None:
        return f"vectors: our own; Wycheproof and the others are absent ({VARIABLE} names their folder)"
    return "vectors: our own, Wycheproof, JOSE cookbook, JSONTestSuite, ed25519-speccheck, weak secrets"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A table without cases makes no tests, where pytest would make one and skip it: the summary tells instead."""
    empty = [
        item for item in items if any("empty parameter set" in str(mark.kwargs) for mark in item.iter_markers("skip"))
    ]
    if empty:
        config.hook.pytest_deselected(items=empty)
        items[:] = [item for item in items if item not in empty]
