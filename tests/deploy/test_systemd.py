"""The systemd unit: read for what must hold; verified and rated by systemd where there is one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway_auth.server.supervisor import STOP_SECONDS
from tests.deploy.proxies import DEPLOY

UNIT = DEPLOY / "gateway-auth.service"
PROGRAM = "/opt/gateway-auth/bin/gateway-auth"
ANALYZE = shutil.which("systemd-analyze")
EXPOSURE_TENTHS = 20
"""Of 100. A service without sandbox has 96."""


def settings() -> dict[str, list[str]]:
    """Every assignment, in order."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text("utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists."""
    placed = tmp_path / UNIT.name
    placed.write_text(UNIT.read_text("utf-8").replace(PROGRAM, sys.executable), "utf-8")
    return placed


def test_it_runs_as_a_user_of_its_own_that_may_do_nothing_else() -> None:
    found = settings()
    assert found["DynamicUser"] == ["yes"]
    assert found["CapabilityBoundingSet"] == [""]
    for name in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "MemoryDenyWriteExecute"):
        assert found[name] == ["yes"], name
    assert found["ProtectSystem"] == ["strict"]
    assert found["SystemCallFilter"] == ["@system-service", "~@privileged @resources"]
    assert "Environment" not in found


def test_it_waits_longer_for_the_end_than_requests_may_take() -> None:
    assert int(settings()["TimeoutStopSec"][0].removesuffix("s")) > STOP_SECONDS


@pytest.mark.skipif(ANALYZE is None, reason="no systemd-analyze on this machine")
def test_systemd_understands_it_and_finds_it_sandboxed(unit: Path) -> None:
    for words in (["verify", "--man=no"], ["security", "--offline=true", f"--threshold={EXPOSURE_TENTHS}"]):
        ended = subprocess.run([str(ANALYZE), *words, str(unit)], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert words[0] == "security" or ended.stderr == ""
