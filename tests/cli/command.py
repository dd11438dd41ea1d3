"""The command as operators run it: in a process of its own, or in this one where only words and codes matter."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway_auth.cli import main

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 30


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, read."""
        return json.loads(self.out)

    @property
    def error_lines(self) -> list[str]:
        """The lines on stderr."""
        return self.err.splitlines()


def environment(**more: str) -> dict[str, str]:
    """That of a plain shell, without what this machine says about gateways and colours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_AUTH_")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", "COLUMNS": "100", **more}


def command(*arguments: str | Path) -> list[str]:
    """The words that start it."""
    return [sys.executable, "-m", "gateway_auth", *map(str, arguments)]


def run(*arguments: str | Path, cwd: Path, stdin: str = "", env: Mapping[str, str] | None = None) -> Ended:
    """Run it in a process of its own."""
    ended = subprocess.run(
        command(*arguments),
        cwd=cwd,
        input=stdin,
        env=environment(**(env or {})),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def call(*arguments: str | Path, stdin: str | bytes = "") -> Ended:
    """Run it in this process."""
    out, err = io.StringIO(), io.StringIO()
    piped = stdin if isinstance(stdin, bytes) else stdin.encode()
    before, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(piped))
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main([str(argument) for argument in arguments])
    finally:
        sys.stdin = before
    return Ended(code, out.getvalue(), err.getvalue())


class Workspace:
    """A directory that `init` made."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config = directory / "gateway.toml"

    def call(self, *arguments: str | Path, stdin: str | bytes = "") -> Ended:
        """Run a command on it."""
        return call(*arguments, "-c", self.config, stdin=stdin)

    def app(self, name: str = "shop") -> str:
        """The id of a new app."""
        return self.call("apps", "create", name).out.strip()

    def key(self, app: str, *options: str) -> dict[str, Any]:
        """A new key, as JSON tells it."""
        created = self.call("keys", "create", "--app", app, *options, "--json")
        assert created.code == 0, created.err
        key: dict[str, Any] = created.json
        return key

    def change(self, old: str, new: str) -> None:
        """Edit the configuration."""
        text = self.config.read_text("utf-8")
        assert old in text
        self.config.write_text(text.replace(old, new), "utf-8")
