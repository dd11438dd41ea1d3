"""One gateway from `init` to its end: everything it said, kept and showed, by where it was found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conformance.edges import ROOT, free_port, process, wait_until_ready
from tests.conformance.upstream import Upstream

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
PROGRAM = str(Path(sys.executable).parent / "gateway-auth")


class Gateway:
    """`said` holds every output by the command that made it; `kept` all files but the pepper's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder.parent / "serve.log"
        self.said: dict[str, bytes] = {}
        self.commands: list[tuple[str, ...]] = []
        self.files: dict[str, bytes] = {}
        self.arguments: dict[str, bytes] = {}

    @property
    def pepper(self) -> str:
        """The secret of the installation."""
        return (self.folder / "secrets" / "pepper").read_text().strip()

    def run(self, *words: str, stdin: str = "") -> bytes:
        """One command; what it wrote to stdout."""
        done = subprocess.run(
            [PROGRAM, *words], input=stdin.encode(), capture_output=True, check=False, timeout=60, cwd=self.folder,
            env=ENVIRONMENT,
        )  # fmt: skip
        self._note(words, done.stdout, done.stderr)
        return done.stdout

    def run_all(self, commands: list[tuple[tuple[str, ...], str]]) -> None:
        """Many commands with their input, one after the other."""
        lines = "".join(f"{json.dumps(command)}\n" for command in commands)
        done = subprocess.run(
            [sys.executable, "-m", "tests.leaks.commands"], input=lines, capture_output=True, text=True, check=True,
            timeout=120, cwd=self.folder, env=ENVIRONMENT,
        )  # fmt: skip
        for (words, _), line in zip(commands, done.stdout.splitlines(), strict=True):
            self._note(words, *(text.encode("latin-1") for text in json.loads(line)))

    def _note(self, words: tuple[str, ...], out: bytes, err: bytes) -> None:
        name = f"{len(self.commands)} {' '.join(words)[:60]}"
        self.commands.append(words)
        self.said |= {f"{name}: stdout": out, f"{name}: stderr": err}

    def collect(self) -> None:
        """Every file there is now, and the arguments of the server and of what it started."""
        for path in [self.log, *self.folder.rglob("*")]:
            if path.is_file() and path.name != "pepper":
                self.files.setdefault(f"{len(self.files)} {path.name}", path.read_bytes())

    def collect_arguments(self, server: int) -> None:
        """Of the server's process and its children, as everybody on the machine can read them."""
        children = Path(f"/proc/{server}/task/{server}/children")
        numbers = [server, *map(int, children.read_text().split())] if children.exists() else []
        for number in numbers:
            self.arguments[str(number)] = Path(f"/proc/{number}/cmdline").read_bytes()

    @contextmanager
    def serving(self, upstream: Upstream) -> Iterator[None]:
        """`serve` at its most talkative, until the block ends."""
        listen, behind = f"127.0.0.1:{self.port}", f"http://127.0.0.1:{upstream.port}"
        command = [PROGRAM, "serve", "--listen", listen, "--upstream", behind, "--log-level", "debug"]
        self.commands.append(("serve", "--log-level", "debug"))
        with process([*command, "-c", str(self.folder / "gateway.toml")], dict(os.environ), self.log) as server:
            wait_until_ready(self.port, server, self.log)
            yield
            self.collect_arguments(server.pid)
            self.collect()
        self.collect()
