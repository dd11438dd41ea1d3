"""What every test of the command starts from."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.cli.command import Workspace, call


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine that runs the tests is a setting of a gateway or a colour."""
    for name in os.environ:
        if name.startswith("GATEWAY_AUTH_") or name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that `init` made, to copy: making a store takes longer than most tests."""
    directory = tmp_path_factory.mktemp("made") / "gateway"
    assert call("init", directory).code == 0
    return directory


@pytest.fixture
def workspace(made_once: Path, tmp_path: Path) -> Workspace:
    """A directory that `init` made."""
    return Workspace(shutil.copytree(made_once, tmp_path / "gateway"))
