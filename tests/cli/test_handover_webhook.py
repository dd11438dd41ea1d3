"""New keys go to a signed webhook (`keys due --rotate`, `keys rotate --hand-over`); what does not arrive is undone."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_auth.adapters import webhook_client
from tests.adapters.stores import query
from tests.cli.command import Ended, Workspace, command, environment
from tests.cli.key_receiver import SECRET, KeyReceiver, name_receiver, receiving
from tests.proxy.certificates import Authority

ACTIVE_AND_NOT_ENDING = [("active", None)]


@pytest.fixture
def receiver(workspace: Workspace) -> Iterator[KeyReceiver]:
    """The one that the configuration names. It takes every key."""
    with receiving() as receiver:
        name_receiver(workspace, receiver.url)
        yield receiver


def statuses(workspace: Workspace) -> list[str]:
    return sorted(key["status"] for key in workspace.call("keys", "list", "--json").json)


def assert_undone(workspace: Workspace, old: str, ended: Ended, why: str) -> None:
    assert ended.code == 1
    assert f"key {old} stays as it was: the receiver of new keys: {why}" in ended.err
    assert "gwk_live_" not in ended.out + ended.err
    shown = workspace.call("keys", "show", old, "--json").json
    assert (shown["status"], shown["retires_at"]) == ("active", None)
    assert statuses(workspace) == ["active", "revoked"]


def test_each_due_key_is_replaced_and_its_successor_in_the_body(workspace: Workspace, receiver: KeyReceiver) -> None:
    app = workspace.app()
    due = {workspace.key(app, "--expires-in", "3d", "--scope", "orders:read")["id"] for _ in range(2)}
    workspace.key(app)
    ended = workspace.call("keys", "due", "--rotate", "--json")
    assert ended.code == 0, ended.err
    assert {body["type"] for body in receiver.taken} == {"key.handover"}
    new = [body["data"] for body in receiver.taken]
    assert {one["rotated_from"] for one in new} == due
    assert receiver.ids == [f"handover-{one['id']}" for one in new]
    assert {one["replaced_by"] for one in ended.json} == {one["id"] for one in new}
    for one in new:
        assert workspace.call("keys", "verify", "--json", stdin=one["key"]).json["usable"]
        assert one["scopes"] == ["orders:read"]
        assert workspace.call("keys", "show", one["rotated_from"], "--json").json["retires_at"] is not None
    assert workspace.call("keys", "due", "--rotate", "--within", "2").err == "No key has to be rotated.\n"


def test_a_new_key_is_in_no_file_and_no_output(workspace: Workspace, receiver: KeyReceiver) -> None:
    text = workspace.config.read_text("utf-8")
    tables = '[[webhooks]]\nid = "ops"\nurl = "http://127.0.0.1:1/"\nsecret = "file:secrets/ops"\n'
    (workspace.directory / "secrets" / "ops").write_text("whsec_" + "b3Bz" * 8)
    (workspace.directory / "secrets" / "ops").chmod(0o600)
    workspace.config.write_text(f'{text}\n{tables}\n[audit]\nanchor_file = "anchors"\n', "utf-8")
    old = workspace.key(workspace.app())["id"]
    receiver.status = 500
    said = [workspace.call("--debug", "keys", "rotate", old, "--hand-over")]
    receiver.status = 204
    said.append(workspace.call("--debug", "keys", "rotate", old, "--hand-over", "--json"))
    assert [ended.code for ended in said] == [1, 0]
    secrets = [body["data"]["key"].rsplit("_", 1)[1] for body in receiver.taken]
    assert len(set(secrets)) == 2
    kept = [path.read_bytes() for path in workspace.directory.rglob("*") if path.is_file()]
    kept += [(ended.out + ended.err).encode() for ended in said]
    for secret in secrets:
        assert not any(secret.encode() in content for content in kept)
    assert query(workspace.directory / "gateway.db", "SELECT count(*) FROM deliveries") == [(0,)]


def test_one_key_is_handed_over_instead_of_shown(workspace: Workspace, receiver: KeyReceiver) -> None:
    old = workspace.key(workspace.app())["id"]
    ended = workspace.call("keys", "rotate", old, "--hand-over", "--expires-in", "30d", "--json")
    assert ended.code == 0, ended.err
    (body,) = receiver.taken
    assert ended.json == {name: value for name, value in body["data"].items() if name != "key"}
    assert ended.json["expires_at"] is not None
    again = workspace.call("keys", "rotate", ended.json["id"], "--hand-over")
    assert again.out == f"{ended.json['id']} is replaced by {receiver.taken[1]['data']['id']}\n"


@pytest.mark.parametrize("status", [300, 500])
def test_what_is_not_confirmed_is_undone(workspace: Workspace, receiver: KeyReceiver, status: int) -> None:
    receiver.status = status
    old = workspace.key(workspace.app(), "--expires-in", "3d")["id"]
    assert_undone(workspace, old, workspace.call("keys", "due", "--rotate", "--json"), f"answered {status}")


def test_a_redirect_takes_no_key_elsewhere(workspace: Workspace, receiver: KeyReceiver) -> None:
    old = workspace.key(workspace.app())["id"]
    with receiving() as elsewhere:
        receiver.status, receiver.location = 307, elsewhere.url
        assert_undone(workspace, old, workspace.call("keys", "rotate", old, "--hand-over"), "answered 307")
        assert not elsewhere.arrived.is_set()


def test_no_answer_is_no_confirmation(
    workspace: Workspace, receiver: KeyReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_client, "DEADLINE_SECONDS", 0.3)
    receiver.status = 0
    old = workspace.key(workspace.app())["id"]
    assert_undone(workspace, old, workspace.call("keys", "rotate", old, "--hand-over"), "no answer within 0.3 s")


def test_nobody_there_is_no_confirmation(workspace: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    name_receiver(workspace, f"http://127.0.0.1:{port}/")
    old = workspace.key(workspace.app())["id"]
    assert_undone(workspace, old, workspace.call("keys", "rotate", old, "--hand-over"), "cannot be reached")


def test_a_receiver_gets_a_key_when_it_has_proven_who_it_is(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    with receiving(tls=authority.server("127.0.0.1")) as receiver:
        name_receiver(workspace, receiver.url)
        old = workspace.key(workspace.app())["id"]
        assert_undone(workspace, old, workspace.call("keys", "rotate", old, "--hand-over"), "cannot be reached")
        assert not receiver.arrived.is_set()
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
        assert workspace.call("keys", "rotate", old, "--hand-over").code == 0
        assert len(receiver.taken) == 1


@pytest.mark.parametrize("overlap", ["0", "7d"])
def test_the_old_key_is_untouched_until_the_new_one_has_arrived(
    workspace: Workspace, receiver: KeyReceiver, overlap: str
) -> None:
    old = workspace.key(workspace.app())["id"]
    seen = []
    file = workspace.directory / "gateway.db"
    receiver.before_answering = lambda: seen.extend(
        query(file, "SELECT status, retires_at FROM keys WHERE id = ?", old)
    )
    assert workspace.call("keys", "rotate", old, "--hand-over", "--overlap", overlap).code == 0
    assert seen == ACTIVE_AND_NOT_ENDING
    shown = workspace.call("keys", "show", old, "--json").json
    assert shown["retires_at"] is not None
    assert (shown["status"] == "disabled") is (overlap == "0")


def stopped_while_it_waits(workspace: Workspace, receiver: KeyReceiver, how: signal.Signals) -> str:
    """The old key of a rotation whose process was stopped when the receiver had the new one and had not answered."""
    receiver.status = 0
    old = workspace.key(workspace.app(), "--expires-in", "3d")["id"]
    words = command("keys", "due", "--rotate", "-c", workspace.config)
    process = subprocess.Popen(words, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert receiver.arrived.wait(30)
    process.send_signal(how)
    process.wait(30)
    receiver.status = 204
    return str(old)


@pytest.mark.slow
def test_a_rotation_that_is_killed_leaves_the_old_key_and_is_done_by_the_next(
    workspace: Workspace, receiver: KeyReceiver
) -> None:
    old = stopped_while_it_waits(workspace, receiver, signal.SIGKILL)
    shown = workspace.call("keys", "show", old, "--json").json
    assert (shown["status"], shown["retires_at"]) == ("active", None)
    ended = workspace.call("keys", "due", "--rotate", "--json")
    assert ended.code == 0, ended.err
    assert workspace.call("keys", "show", old, "--json").json["retires_at"] is not None
    assert workspace.call("audit", "verify").code == 0


@pytest.mark.slow
def test_a_rotation_that_is_interrupted_is_undone(workspace: Workspace, receiver: KeyReceiver) -> None:
    old = stopped_while_it_waits(workspace, receiver, signal.SIGINT)
    assert workspace.call("keys", "show", old, "--json").json["retires_at"] is None
    assert statuses(workspace) == ["active", "revoked"]


def test_without_a_receiver_nothing_is_rotated(workspace: Workspace) -> None:
    old = workspace.key(workspace.app(), "--expires-in", "3d")["id"]
    for words in (("due", "--rotate"), ("rotate", old, "--hand-over")):
        ended = workspace.call("keys", *words)
        assert (ended.code, len(ended.error_lines)) == (2, 1)
        assert "[handover] is not in the configuration" in ended.err
    assert statuses(workspace) == ["active"]


def test_keys_go_to_one_place(workspace: Workspace, receiver: KeyReceiver) -> None:
    workspace.key(workspace.app(), "--expires-in", "3d")
    ended = workspace.call("keys", "due", "--rotate", "--rotate-with", "cat")
    assert (ended.code, len(ended.error_lines)) == (2, 1)
    assert not receiver.arrived.is_set()
    assert SECRET not in ended.err
