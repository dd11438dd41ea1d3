"""`demo`: the tour checks itself, the printed lines answer as printed, and nothing is left behind."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway_auth.server.listening import free_port
from tests.cli.command import Ended, call, command, environment, run

pytestmark = pytest.mark.slow

SHOWN = re.compile(r"  # (\d{3}).*\n  (curl .*)")


def check(cwd: Path, *arguments: str | Path, **env: str) -> Ended:
    return run("demo", "--check", *arguments, cwd=cwd, env={"TMPDIR": str(cwd), **env})


@contextmanager
def demonstrating(cwd: Path, *arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running demo, and what it printed before it began to wait."""
    words = command("demo", "--port", str(free_port()), "--admin-port", "0", *arguments)
    process = subprocess.Popen(
        words, cwd=cwd, env=environment(TMPDIR=str(cwd)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if "keys enable" in line:
            break
    try:
        yield process, "".join(lines)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=15)


def test_the_check_gets_every_expected_answer_and_leaves_nothing(tmp_path: Path) -> None:
    # An environment made for another gateway must not lead the demo to that one's store.
    other = tmp_path / "other.db"
    env = {"GATEWAY_AUTH_STORE__URL": f"sqlite:///{other}", "GATEWAY_AUTH_GATEWAY__LISTEN": "nonsense"}
    ended = check(tmp_path, **env)
    assert (ended.code, ended.err) == (0, "")
    assert "16 of 16 answers are as expected" in ended.out
    for word in ("method", "path", "credential", "expected", "got", "200", "401", "403", "429"):
        assert word in ended.out
    assert "gwk_live_" not in ended.out
    assert list(tmp_path.iterdir()) == []


def test_a_data_directory_is_kept_and_a_second_run_on_it_works(tmp_path: Path) -> None:
    assert check(tmp_path, "--data-dir", tmp_path / "kept").code == 0
    config = tmp_path / "kept" / "gateway.toml"
    assert call("apps", "create", "mine", "-c", config).code == 0
    assert check(tmp_path, "--data-dir", tmp_path / "kept").code == 0
    names = [app["name"] for app in call("apps", "list", "--json", "-c", config).json]
    assert sorted(names) == ["mine", "shop", "trial"]


def test_somebodys_own_gateway_is_not_touched(tmp_path: Path) -> None:
    assert call("init", tmp_path / "own").code == 0
    ended = check(tmp_path, "--data-dir", tmp_path / "own")
    assert ended.code == 2
    assert len(ended.error_lines) == 1
    assert "is not a demo's" in ended.err


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = check(tmp_path, "--port", str(taken.getsockname()[1]))
    assert (ended.code, ended.out) == (1, "")
    assert len(ended.error_lines) == 1
    assert "is in use" in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("curl") is None, reason="the printed lines are for curl")
def test_the_printed_lines_answer_exactly_as_printed(tmp_path: Path) -> None:
    with demonstrating(tmp_path) as (process, text):
        (made,) = tmp_path.iterdir()
        assert made.stat().st_mode & 0o077 == 0
        shown = SHOWN.findall(text)
        assert {status for status, _ in shown} >= {"200", "401", "403", "429"}
        for status, line in shown:
            answer = subprocess.run(shlex.split(line), capture_output=True, text=True, timeout=10, check=True)
            assert answer.stdout.startswith(f"HTTP/1.1 {status} "), line
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=15)
        assert (process.returncode, err) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_the_printed_commands_disable_and_enable_a_key(tmp_path: Path) -> None:
    with demonstrating(tmp_path, "--data-dir", tmp_path / "my data") as (process, text):
        lines = re.findall(r"  (\S*gateway-auth keys (?:disable|enable) .*)", text)
        assert len(lines) == 2
        for line in lines:
            subprocess.run(shlex.split(line), cwd="/", env=environment(), capture_output=True, timeout=30, check=True)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=15)
        assert (process.returncode, err) == (0, "")
    assert (tmp_path / "my data" / "gateway.toml").exists()
