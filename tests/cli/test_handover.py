"""`keys due --rotate-with`: new keys go to a command, and what does not arrive is undone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from gateway_auth.cli import command_courier
from tests.cli.command import Workspace


def courier(folder: Path, code: str) -> str:
    """A command that runs some Python."""
    script = folder / "courier with a blank.py"
    script.write_text(f"import sys, pathlib\n{code}\n", "utf-8")
    return f"{sys.executable} '{script}' {folder}/taken"


TAKE = "pathlib.Path(sys.argv[1]).open('a').write(sys.stdin.read())"


def statuses(workspace: Workspace) -> dict[str, str]:
    return {key["id"]: key["status"] for key in workspace.call("keys", "list", "--json").json}


def test_each_due_key_is_replaced_and_its_successor_delivered_on_stdin(workspace: Workspace, tmp_path: Path) -> None:
    app = workspace.app()
    due = {workspace.key(app, "--expires-in", "3d")["id"] for _ in range(2)}
    workspace.key(app)
    ended = workspace.call("keys", "due", "--rotate-with", courier(tmp_path, TAKE), "--json")
    assert ended.code == 0, ended.err
    taken = [json.loads(line) for line in (tmp_path / "taken").read_text().splitlines()]
    assert {one["rotated_from"] for one in taken} == due
    assert {one["replaced_by"] for one in ended.json} == {one["id"] for one in taken}
    for one in taken:
        assert one["key"].rsplit("_", 1)[1] not in ended.out + ended.err
        assert workspace.call("keys", "verify", "--json", stdin=one["key"]).json["usable"]
    assert workspace.call("keys", "due", "--rotate-with", courier(tmp_path, TAKE), "--within", "2", "--json").json == []


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (f"{TAKE}; sys.exit(3)", "ended with 3"),
        ("import time; time.sleep(60)", "took longer than"),
        ("print(sys.stdin.read(), file=sys.stderr); sys.exit(1)", "ended with 1"),
    ],
    ids=["fails", "hangs", "repeats the key"],
)
def test_what_does_not_arrive_is_undone(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, why: str
) -> None:
    monkeypatch.setattr(command_courier, "DELIVERY_SECONDS", 2.0)
    old = workspace.key(workspace.app(), "--expires-in", "3d")
    ended = workspace.call("keys", "due", "--rotate-with", courier(tmp_path, code), "--json")
    assert ended.code == 1
    assert why in ended.err
    assert f"key {old['id']} stays as it was" in ended.err
    assert "gwk_live_" not in ended.out + ended.err
    shown = workspace.call("keys", "show", old["id"], "--json").json
    assert (shown["status"], shown["retires_at"]) == ("active", None)
    assert sorted(statuses(workspace).values()) == ["active", "revoked"]


def test_a_command_that_is_not_there_changes_nothing_for_good(workspace: Workspace) -> None:
    workspace.key(workspace.app(), "--expires-in", "3d")
    ended = workspace.call("keys", "due", "--rotate-with", "/no/such/command")
    assert ended.code == 1
    assert "/no/such/command cannot be started: No such file or directory" in ended.err


@pytest.mark.parametrize("command", ["'", "  "])
def test_what_is_no_command_is_refused_before_anything_happens(workspace: Workspace, command: str) -> None:
    workspace.key(workspace.app(), "--expires-in", "3d")
    ended = workspace.call("keys", "due", "--rotate-with", command)
    assert (ended.code, len(ended.error_lines)) == (2, 1)
    assert len(statuses(workspace)) == 1
