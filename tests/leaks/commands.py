"""Runs many gateway-auth commands, each in a process of its own, forked from one that has loaded the program.

Sixty processes that each load a database driver take a minute; these take seconds, and are the same commands.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from importlib import import_module

LOADED = (
    "gateway_auth.cli.run",
    "gateway_auth.adapters.issuers",
    "gateway_auth.adapters.sql",
    "gateway_auth.bootstrap.inspection",
    "gateway_auth.bootstrap.management",
    "gateway_auth.config",
    "gateway_auth.lifecycle.admins",
    "gateway_auth.lifecycle.audit",
    "gateway_auth.lifecycle.import_keys",
    "gateway_auth.lifecycle.keys",
    "gateway_auth.lifecycle.tokens",
    "gateway_auth.lifecycle.webhooks",
    "rich.table",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "typer.rich_utils",
)


def run(words: list[str], stdin: str) -> tuple[str, str]:
    """What one command wrote to stdout and to stderr."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        child = os.fork()
        if child == 0:
            for number, stream in enumerate((given, out, err)):
                os.dup2(stream.fileno(), number)
            _become(words)
        os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        return out.read().decode("latin-1"), err.read().decode("latin-1")


def _become(words: list[str]) -> None:
    """The command; never returns."""
    code = 1
    try:
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)  # the parent's holds what it has read ahead
        sys.argv = ["gateway-auth", *words]
        code = import_module("gateway_auth.cli").main() or 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    for name in LOADED:
        import_module(name)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(run(*json.loads(line))) + "\n")
        sys.stdout.flush()
