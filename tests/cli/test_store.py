"""Backups on the command line, and a store on PostgreSQL whose password is shown nowhere."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.cli.command import Workspace, command, environment, run
from tests.postgresql.server import PASSWORD, Server


def test_a_backup_is_a_new_file_and_its_owners_alone(workspace: Workspace) -> None:
    workspace.key(workspace.app())
    file = workspace.directory / "backup"
    ended = workspace.call("store", "backup", file, "--json")
    assert (ended.code, ended.json) == (0, {"file": str(file), "rows": 4})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    ended = workspace.call("store", "backup", file)
    assert (ended.code, ended.err) == (1, f"gateway-auth: {file} is there already; name another file\n")
    assert file.read_bytes() == before
    assert [path.name for path in workspace.directory.iterdir() if "partial" in path.name] == []


def test_a_link_is_not_followed_and_a_missing_directory_is_named(workspace: Workspace, tmp_path: Path) -> None:
    (workspace.directory / "link").symlink_to(tmp_path / "elsewhere")
    assert workspace.call("store", "backup", workspace.directory / "link").code == 1
    assert not (tmp_path / "elsewhere").exists()
    ended = workspace.call("store", "backup", tmp_path / "missing" / "backup")
    assert ended.code == 1
    assert "No such file or directory" in ended.err


def test_what_was_revoked_after_the_backup_stays_revoked(workspace: Workspace) -> None:
    key = workspace.key(workspace.app())
    file = workspace.directory / "backup"
    workspace.call("store", "backup", file)
    workspace.call("keys", "revoke", key["id"], "--yes")
    ended = workspace.call("store", "restore", file)
    assert (ended.code, ended.out, ended.err) == (0, "restored 0 apps, 0 keys, 0 revocations\n", "")
    assert workspace.call("keys", "show", key["id"], "--json").json["status"] == "revoked"
    assert workspace.call("audit", "verify").code == 0


def test_a_lost_store_comes_back_with_a_word_of_warning(workspace: Workspace) -> None:
    key = workspace.key(workspace.app())
    file = workspace.directory / "backup"
    workspace.call("store", "backup", file)
    for path in workspace.directory.glob("gateway.db*"):
        path.unlink()
    ended = workspace.call("store", "restore", file)
    assert (ended.code, ended.out) == (0, "restored 1 apps, 1 keys, 0 revocations\n")
    assert "is not known here, and works again: do it anew" in ended.err
    assert workspace.call("keys", "verify", stdin=key["key"]).code == 0
    assert workspace.call("audit", "list", "--json").json[0]["action"] == "store.restore"


def test_what_is_no_backup_is_said_so(workspace: Workspace) -> None:
    ended = workspace.call("store", "restore", workspace.config)
    assert (ended.code, ended.err) == (1, f"gateway-auth: {workspace.config} is not a backup\n")


@pytest.fixture
def on_postgresql(workspace: Workspace, postgresql: Server) -> Workspace:
    """The same configuration over a server, whose address is in a file."""
    secret = workspace.directory / "secrets" / "store"
    secret.write_text(postgresql.url(postgresql.new_database()) + "\n")
    secret.chmod(0o600)
    workspace.change('"sqlite:///gateway.db"', '"file:secrets/store"')
    return workspace


def test_a_team_moves_from_a_file_to_a_server(workspace: Workspace, postgresql: Server) -> None:
    key = workspace.key(workspace.app())
    file = workspace.directory / "backup"
    workspace.call("store", "backup", file)
    secret = workspace.directory / "secrets" / "store"
    secret.write_text(postgresql.url(postgresql.new_database()))
    secret.chmod(0o600)
    workspace.change('"sqlite:///gateway.db"', '"file:secrets/store"')
    assert workspace.call("store", "restore", file).code == 0
    assert workspace.call("keys", "verify", stdin=key["key"]).code == 0
    assert workspace.call("audit", "verify").out.startswith("3 records")


def test_the_password_is_in_no_output_and_no_arguments(on_postgresql: Workspace, postgresql: Server) -> None:
    said = [on_postgresql.call(*words) for words in (("apps", "create", "shop"), ("doctor",), ("config", "check"))]
    secret = on_postgresql.directory / "secrets" / "store"
    good = secret.read_text()
    for broken in (
        good.replace(str(postgresql.port), "1"),
        good.replace("hunter2", "hunter3"),
        good.replace("/store", "/nowhere"),
        good.strip() + "?sslmode=require",
        good.strip() + "?sslmod=require",
        good.replace("postgresql://", "mysql://"),
        good.replace(str(postgresql.port), "port"),
        f"{good}x\n",
    ):
        secret.write_text(broken)
        for words in (("apps", "list"), ("apps", "list", "--debug"), ("doctor",), ("store", "upgrade")):
            ended = on_postgresql.call(*words)
            assert ended.code != 0, broken
            said.append(ended)
    for ended in said:
        for text in (ended.out, ended.err):
            assert PASSWORD not in text
            assert "hunter" not in text
    assert PASSWORD not in " ".join(command("apps", "list"))


def test_an_address_from_the_environment_is_taken_whole(workspace: Workspace, postgresql: Server) -> None:
    workspace.change('"sqlite:///gateway.db"', '"env:STORE_ADDRESS"')
    missing = run("apps", "list", cwd=workspace.directory)
    assert (missing.code, missing.err) == (
        2,
        "gateway-auth: store.url: environment variable STORE_ADDRESS is not set\n",
    )
    address = {"STORE_ADDRESS": postgresql.url(postgresql.new_database())}
    assert run("apps", "list", cwd=workspace.directory, env=address).code == 0
    assert "STORE_ADDRESS" not in environment()
