"""What goes wrong is told in one line that says what to do, with the exit code scripts rely on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway_auth.adapters.sql.schema import CURRENT_SCHEMA, VERSION_TABLE
from gateway_auth.cli import session
from tests.cli.command import Ended, Workspace, call

NOW = CURRENT_SCHEMA.version


def assert_one_line(ended: Ended, code: int, *words: str) -> None:
    assert ended.code == code
    assert ended.out == ""
    assert len(ended.error_lines) == 1, ended.err
    assert ended.err.startswith("gateway-auth: ")
    for word in words:
        assert word in ended.err


@pytest.mark.parametrize("arguments", [("keys", "list"), ("apps", "list"), ("config", "check"), ("serve",)], ids=str)
def test_a_missing_configuration_says_to_run_init(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = call(*arguments)
    assert_one_line(ended, 2, "gateway.toml", "gateway-auth init")


@pytest.mark.parametrize(
    "arguments", [("-c", "X", "keys", "list"), ("keys", "-c", "X", "list"), ("keys", "list", "-c", "X")]
)
def test_the_configuration_may_be_named_anywhere(workspace: Workspace, arguments: tuple[str, ...]) -> None:
    words = [str(workspace.config) if word == "X" else word for word in arguments]
    assert call(*words, "--json").json == []


def test_every_problem_of_a_bad_configuration_is_a_line(workspace: Workspace) -> None:
    workspace.change('rate = "10/second"', 'rate = "10/secnod"')
    workspace.change("[gateway]", "[gateway]\nrealmm = 1")
    ended = workspace.call("keys", "list")
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.error_lines) == 2
    assert 'did you mean "second"?' in ended.err
    assert 'did you mean "realm"?' in ended.err


def test_a_missing_pepper_is_one_line(workspace: Workspace) -> None:
    (workspace.directory / "secrets" / "pepper").unlink()
    assert_one_line(workspace.call("keys", "list"), 2, "secrets.pepper", "secrets/pepper")


def test_a_weak_pepper_is_one_line_that_does_not_show_it(workspace: Workspace) -> None:
    (workspace.directory / "secrets" / "pepper").write_text("hunter2", "utf-8")
    ended = workspace.call("keys", "list")
    assert_one_line(ended, 2, "secrets.pepper")
    assert "hunter2" not in ended.err


def test_a_world_readable_pepper_is_one_line(workspace: Workspace) -> None:
    (workspace.directory / "secrets" / "pepper").chmod(0o644)
    assert_one_line(workspace.call("keys", "list"), 2, "secrets.pepper", "chmod 600")


def test_a_store_that_is_none_is_one_line(workspace: Workspace) -> None:
    (workspace.directory / "gateway.db").write_bytes(b"not a database, but long enough to be one " * 100)
    for arguments in (("keys", "list"), ("apps", "create", "shop"), ("serve", "--upstream", "http://127.0.0.1:9")):
        assert_one_line(workspace.call(*arguments), 1, "gateway.db", "is not a SQLite database")


def test_a_store_in_no_directory_is_one_line(workspace: Workspace) -> None:
    workspace.change("sqlite:///gateway.db", "sqlite:///nowhere/gateway.db")
    assert_one_line(workspace.call("keys", "list"), 1, "there is no directory")


@pytest.mark.parametrize(("version", "words"), [("9999", "update gateway-auth"), ("0000", "store upgrade")])
def test_a_store_of_another_schema_is_one_line(workspace: Workspace, version: str, words: str) -> None:
    with sqlite3.connect(workspace.directory / "gateway.db") as connection:
        connection.execute("UPDATE gateway_auth_schema SET version_num = ?", (version,))
    connection.close()
    assert_one_line(workspace.call("keys", "list"), 1, words)


def test_a_locked_store_is_one_line(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_auth.adapters.sql.sqlite.LOCK_TIMEOUT_SECONDS", 0.2)
    holder = sqlite3.connect(workspace.directory / "gateway.db", isolation_level=None)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        assert_one_line(workspace.call("apps", "create", "shop"), 1, "is locked by another process")
    finally:
        holder.close()


@pytest.mark.parametrize(
    "arguments",
    [("keys", "lst"), ("keys", "list", "--aps"), ("keys", "create"), ("nothing",), ("serve", "--workers", "many")],
    ids=str,
)
def test_a_wrong_command_line_is_one_line_and_exit_2(arguments: tuple[str, ...]) -> None:
    assert_one_line(call(*arguments), 2, "--help`")


def test_an_unexpected_error_is_one_line_and_its_traceback_is_for_debug(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> str:
        raise ZeroDivisionError("a bug near gwk_live_abcdefghijkl_" + "s" * 38)

    monkeypatch.setattr(session, "actor", broken)
    ended = workspace.call("apps", "list")
    assert_one_line(ended, 1, "unexpected ZeroDivisionError", "--debug", "gwk_live_abcdefghijkl_[redacted]")
    debugged = call("--debug", "apps", "list", "-c", workspace.config)
    assert debugged.code == 1
    assert "Traceback" in debugged.err
    assert "s" * 38 not in debugged.err


def test_debug_changes_nothing_about_errors_that_are_understood(workspace: Workspace) -> None:
    assert_one_line(call("--debug", "apps", "show", "nobody", "-c", workspace.config), 1, "there is no app nobody")


def test_ctrl_c_is_exit_130_without_a_word(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "actor", interrupted)
    ended = workspace.call("apps", "list")
    assert (ended.code, ended.out, ended.err) == (130, "", "")


def test_the_store_can_be_upgraded_when_there_is_nothing_to_do_and_when_there_is_none(workspace: Workspace) -> None:
    assert workspace.call("store", "upgrade", "--json").json == {"from": NOW, "to": NOW}
    for file in workspace.directory.glob("gateway.db*"):
        file.unlink()
    assert workspace.call("store", "upgrade").out == f"created a store of schema {NOW}\n"
    assert workspace.call("store", "upgrade").out == f"the store has schema {NOW} already\n"


def test_an_older_store_is_refused_until_it_is_upgraded_and_keeps_its_keys(workspace: Workspace) -> None:
    key = workspace.key(workspace.app())
    file = workspace.directory / "gateway.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for table in ("admins", "creations", "key_networks"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("DROP INDEX apps_of_owner")
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '0006'")
    assert_one_line(
        workspace.call("keys", "list"), 1, f"schema 0006, older than {NOW}; run `gateway-auth store upgrade`"
    )
    assert workspace.call("store", "upgrade").out == f"upgraded the store from schema 0006 to {NOW}\n"
    assert workspace.call("keys", "verify", "--json", stdin=key["key"]).json["usable"]
    assert workspace.call("audit", "verify", "--json").json["count"] == 2
