"""Ctrl-C at any moment leaves a store that works, and a directory that the next `init` completes."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.command import Workspace, call, command, environment

pytestmark = pytest.mark.slow

MOMENTS = (0.3, 0.5, 0.7)


def interrupt(after_seconds: float, *arguments: str | Path) -> int:
    process = subprocess.Popen(
        command(*arguments), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(after_seconds)
    process.send_signal(signal.SIGINT)
    return process.wait(20)


def test_an_interrupted_init_is_completed_by_the_next(tmp_path: Path) -> None:
    for number, moment in enumerate(MOMENTS):
        directory = tmp_path / str(number)
        interrupt(moment, "init", directory)
        is_complete = (directory / "gateway.toml").exists()
        assert call("init", directory).code == (1 if is_complete else 0)
        ended = call("apps", "create", "shop", "-c", directory / "gateway.toml")
        assert ended.code == 0, ended.err


def test_an_interrupted_change_is_whole_or_not_there(workspace: Workspace) -> None:
    for moment in MOMENTS:
        interrupt(moment, "apps", "create", "shop", "-c", workspace.config)
    apps = workspace.call("apps", "list", "--json").json
    assert len(apps) <= len(MOMENTS)
    assert workspace.call("apps", "create", "last").code == 0
    checks = {check["check"]: check["status"] for check in workspace.call("doctor", "--json").json["checks"]}
    assert checks["integrity"] == checks["store"] == "ok"
