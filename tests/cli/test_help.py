"""Help: every command has words, nothing is listed that does not exist yet, and it comes at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from typer.main import get_command

from gateway_auth import __version__
from gateway_auth.cli.app import app
from tests.cli.command import ROOT, call, environment

HEAVY = {"alembic", "asyncio", "granian", "httptools", "pydantic", "sqlalchemy", "starlette"}
COMMANDS = {
    "init", "demo", "serve", "admin", "doctor",
    "apps create", "apps list", "apps show", "apps disable", "apps enable", "apps delete",
    "keys create", "keys list", "keys show", "keys update", "keys disable", "keys enable", "keys revoke",
    "keys rotate", "keys due", "keys unused", "keys usage", "keys review",
    "keys delete", "keys grant", "keys verify", "keys import",
    "admins create", "admins update", "admins list", "admins disable", "admins enable", "admins rotate",
    "tokens revoke", "tokens inspect",
    "webhooks deliveries", "webhooks retry", "webhooks test",
    "audit list", "audit verify", "audit export",
    "config check", "config explain", "config schema", "store upgrade", "store backup", "store restore", "scan",
}  # fmt: skip


def commands(command: object, name: str = "") -> Iterator[tuple[str, object]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield name.strip(), command
        return
    for part, inner in below.items():
        yield from commands(inner, f"{name} {part}")


def test_exactly_the_commands_of_this_version_are_listed() -> None:
    assert {name for name, _ in commands(get_command(app))} == COMMANDS


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_option_has_words(name: str) -> None:
    command = dict(commands(get_command(app)))[name]
    assert getattr(command, "help", "")
    options = getattr(command, "params", [])
    assert [option.name for option in options if not option.help] == []
    # What stands in square brackets is taken for an order about colours, and not shown.
    assert [option.name for option in options if "[" in option.help] == []
    assert call(*name.split(), "--help").code == 0


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys\nfrom gateway_auth.cli import main\ncode = main(['--help'])\n"
        "print(*sys.modules, file=sys.stderr)\nsys.exit(code)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=True, timeout=30
    )
    assert HEAVY & set(ended.stderr.split()) == set()


def test_the_version_is_told() -> None:
    assert call("--version").out == f"gateway-auth {__version__}\n"


def test_no_command_at_all_shows_help_and_is_a_usage_error() -> None:
    for arguments in ((), ("keys",)):
        ended = call(*arguments)
        assert ended.code == 2
        assert "Usage:" in ended.out
        assert ended.err == ""


def test_without_typer_the_command_says_what_to_install() -> None:
    program = "import sys\nsys.modules['typer'] = None\nfrom gateway_auth.cli import main\nsys.exit(main(['--help']))"
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=False, timeout=30
    )
    assert ended.returncode == 2
    assert ended.stderr == "gateway-auth: the command line needs more packages: pip install 'gateway-auth[cli]'\n"


def test_the_generated_pages_are_up_to_date() -> None:
    ended = subprocess.run(
        [sys.executable, ROOT / "scripts" / "docs.py", "--check"],
        env=environment(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
