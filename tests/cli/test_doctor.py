"""`doctor`: what it finds, and what makes it exit 1."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Iterator

import pytest

from gateway_auth.server.listening import free_port
from tests.cli.command import Ended, Workspace


@pytest.fixture
def ready(workspace: Workspace) -> Workspace:
    """On a port nobody listens on."""
    workspace.change("127.0.0.1:8080", f"127.0.0.1:{free_port()}")
    return workspace


def found(ended: Ended, status: str) -> Iterator[str]:
    return (check["check"] for check in ended.json["checks"] if check["status"] == status)


def test_a_fresh_gateway_is_well(ready: Workspace) -> None:
    ready.key(ready.app())
    ended = ready.call("doctor", "--json")
    assert ended.code == 0
    assert ended.json["ok"] is True
    assert list(found(ended, "warning")) == ["public routes"]
    details = {check["check"]: check["detail"] for check in ended.json["checks"]}
    assert "1 apps, 1 keys" in details["store"]
    assert "Nothing is wrong." in ready.call("doctor").out


def test_every_problem_of_the_configuration_is_a_failed_check(ready: Workspace) -> None:
    ready.change('rate = "10/second"', 'rate = "10/secnod"')
    (ready.directory / "secrets" / "pepper").chmod(0o644)
    ended = ready.call("doctor", "--json")
    assert ended.code == 1
    assert list(found(ended, "failed")) == ["configuration", "secrets"]


def test_a_missing_configuration_is_a_failed_check(ready: Workspace) -> None:
    ready.config.unlink()
    assert list(found(ready.call("doctor", "--json"), "failed")) == ["configuration"]


def test_a_store_that_is_not_there_yet_is_only_a_warning_and_is_not_made(ready: Workspace) -> None:
    for file in ready.directory.glob("gateway.db*"):
        file.unlink()
    ended = ready.call("doctor", "--json")
    assert ended.code == 0
    assert "store" in found(ended, "warning")
    assert not (ready.directory / "gateway.db").exists()


def test_a_damaged_store_fails(ready: Workspace) -> None:
    (ready.directory / "gateway.db").write_bytes(b"no database " * 1000)
    assert list(found(ready.call("doctor", "--json"), "failed")) == ["store"]


def test_a_damaged_page_fails_the_integrity_check(ready: Workspace) -> None:
    ready.app()
    file = ready.directory / "gateway.db"
    (root,) = query(ready, "SELECT rootpage FROM sqlite_master WHERE name = 'audit'")
    with file.open("r+b") as pages:
        pages.seek((root - 1) * 4096 + 8)
        pages.write(b"\xff" * 200)
    assert "integrity" in found(ready.call("doctor", "--json"), "failed")


def test_keys_of_an_unknown_pepper_fail_and_of_a_previous_one_warn(ready: Workspace) -> None:
    ready.key(ready.app())
    secrets = ready.directory / "secrets"
    (secrets / "pepper").rename(secrets / "old")
    (secrets / "pepper").write_text("a pepper of forty different bytes 0123456789", "utf-8")
    (secrets / "pepper").chmod(0o600)
    assert list(found(ready.call("doctor", "--json"), "failed")) == ["peppers"]
    ready.change(
        'pepper = "file:secrets/pepper"', 'pepper = "file:secrets/pepper"\nprevious_peppers = ["file:secrets/old"]'
    )
    ended = ready.call("doctor", "--json")
    assert ended.code == 0
    assert "peppers" in found(ended, "warning")


def test_a_plan_that_apps_are_on_and_nobody_defines_fails(ready: Workspace) -> None:
    ready.call("apps", "create", "shop", "--plan", "free")
    ready.change("[plans.free]", "[plans.gold]")
    assert list(found(ready.call("doctor", "--json"), "failed")) == ["plans"]


def test_a_port_in_use_by_something_else_fails(ready: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_auth.server.listening.PROBE_SECONDS", 0.1)
    port = int(ready.config.read_text("utf-8").split('listen = "127.0.0.1:')[1].split('"')[0])
    with socket.create_server(("127.0.0.1", port)):
        assert list(found(ready.call("doctor", "--json"), "failed")) == ["port"]


@pytest.mark.parametrize(
    ("name", "mode", "status"), [("gateway.toml", 0o666, "failed"), ("gateway.db", 0o644, "warning")]
)
def test_files_that_are_open_to_others_are_told(ready: Workspace, name: str, mode: int, status: str) -> None:
    (ready.directory / name).chmod(mode)
    assert "files" in found(ready.call("doctor", "--json"), status)


def test_a_clock_before_the_newest_entry_fails(ready: Workspace) -> None:
    ready.app()
    query(ready, "UPDATE apps SET created_at = created_at + 86400 RETURNING 1")
    assert list(found(ready.call("doctor", "--json"), "failed")) == ["clock"]


def query(workspace: Workspace, statement: str) -> tuple[int]:
    connection = sqlite3.connect(workspace.directory / "gateway.db")
    try:
        (row,) = connection.execute(statement).fetchall()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)") if not connection.in_transaction else connection.commit()
        number: tuple[int] = row
        return number
    finally:
        connection.close()
