"""What reaches a terminal or a pipe is inert, plain where nobody watches, and quiet when nobody reads."""

from __future__ import annotations

import os
import pty
import sqlite3
import subprocess

import pytest

from gateway_auth.cli.output import inert
from tests.cli.command import Workspace, command, environment


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("naïve 名前", "naïve 名前"),
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("a\nb", "a\\nb"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\x9b31m", "\\x9b31m"),
        ("\ud800", "\\ud800"),
    ],
)
def test_text_is_shown_escaped_where_it_could_give_orders(text: str, shown: str) -> None:
    assert inert(text) == shown


@pytest.mark.parametrize("arguments", [("list",), ("show", "APP"), ("list", "--json"), ("disable", "APP")], ids=str)
def test_a_name_with_terminal_escapes_in_the_store_is_printed_inert(
    workspace: Workspace, arguments: tuple[str, ...]
) -> None:
    app_id = workspace.app()
    with sqlite3.connect(workspace.directory / "gateway.db") as connection:
        connection.execute("UPDATE apps SET name = ?", ("\x1b[2J\x1b]52;c;aGk=\x07[bold]x[/bold]\u202e\x9b",))
    connection.close()
    ended = workspace.call("apps", *[app_id if word == "APP" else word for word in arguments])
    assert ended.code == 0
    assert "[bold]x[/bold]" in ended.out
    for mark in "\x1b\x07\u202e\x9b":
        assert mark not in ended.out + ended.err


def test_a_pipe_gets_whole_lines_without_colour(workspace: Workspace) -> None:
    app_id = workspace.app("a name so long that no terminal would show all of it in one line " * 2)
    out = workspace.call("apps", "list").out
    assert "\x1b" not in out
    assert out.splitlines()[1].startswith(app_id)
    assert "a name so long that no terminal would show all of it in one line a name so long" in out
    assert all(line == line.rstrip() for line in out.splitlines())


@pytest.mark.parametrize(
    ("variables", "has_colour"), [({}, True), ({"NO_COLOR": "1"}, False)], ids=["colour", "NO_COLOR"]
)
def test_a_terminal_gets_colour_unless_it_is_unwanted(
    workspace: Workspace, variables: dict[str, str], has_colour: bool
) -> None:
    workspace.app()
    ours, theirs = pty.openpty()
    env = environment(TERM="xterm-256color", **variables)
    subprocess.run(command("apps", "list", "-c", workspace.config), env=env, stdout=theirs, check=True, timeout=30)
    os.close(theirs)
    drawn = os.read(ours, 65536).decode()
    os.close(ours)
    assert "shop" in drawn
    assert ("\x1b[32m" in drawn) is has_colour


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_reader_that_leaves_is_no_error(workspace: Workspace, unbuffered: str) -> None:
    workspace.app()
    reader, writer = os.pipe()
    os.close(reader)
    words = command("apps", "list", "--json", "-c", workspace.config)
    env = environment(PYTHONUNBUFFERED=unbuffered)
    ended = subprocess.run(words, env=env, stdout=writer, stderr=subprocess.PIPE, check=False, timeout=30)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, b"")
