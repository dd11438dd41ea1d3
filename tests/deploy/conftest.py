"""One world for all proxies, and a line on the one that may be absent."""

from __future__ import annotations

import pytest

from tests.conformance.world import World, make_world
from tests.deploy.proxies import available


def pytest_report_header() -> str:
    """Shown at the top of a run."""
    return f"deploy: real proxies: {', '.join(available())}" + (
        "" if "haproxy" in available() else "; HAProxy is not installed, its files are only read"
    )


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Routes, keys and limits of the conformance suite's main world, and two more routes."""
    made = make_world("main", tmp_path_factory.mktemp("deploy"))
    made.tables["routes"] += [
        {"id": "known", "path": "/known/{rest:path}"},
        {"id": "optional", "path": "/optional", "access": "optional"},
        {"id": "keeping", "path": "/keeping", "strip_credentials": False},
        {"id": "limited", "path": "/limited", "limits": [{"id": "few", "rate": "2/hour", "by": "key"}]},
        {"id": "inside", "path": "/inside", "allow_networks": ["10.0.0.0/8"]},
        {"id": "analysts", "path": "/analysts", "roles": ["analyst"]},
    ]
    return made
