"""`keys verify`: the key comes from stdin, and the answer says what it is."""

from __future__ import annotations

import pytest

from tests.cli.command import Workspace


def test_a_good_key_is_usable_and_exits_0(workspace: Workspace) -> None:
    key = workspace.key(workspace.app())
    ended = workspace.call("keys", "verify", "--json", stdin=key["key"] + "\n")
    assert ended.code == 0
    assert (ended.json["outcome"], ended.json["usable"], ended.json["id"]) == ("valid", True, key["id"])
    assert key["key"] not in ended.out


def test_a_disabled_key_is_valid_and_not_usable_and_exits_1(workspace: Workspace) -> None:
    key = workspace.key(workspace.app())
    workspace.call("keys", "disable", key["id"])
    ended = workspace.call("keys", "verify", "--json", stdin=key["key"])
    assert ended.code == 1
    assert (ended.json["outcome"], ended.json["usable"], ended.json["status"]) == ("valid", False, "disabled")


@pytest.mark.parametrize("garbage", [b"not a key\n", b"\xff\xfe\x00", b"gwk_live_"], ids=["text", "bytes", "cut"])
def test_garbage_is_not_a_key(workspace: Workspace, garbage: bytes) -> None:
    ended = workspace.call("keys", "verify", "--json", stdin=garbage)
    assert ended.code == 1
    assert ended.json == {"outcome": "not_a_key", "usable": False, "id": None}


def test_a_key_of_another_store_is_unknown(workspace: Workspace) -> None:
    key = workspace.key(workspace.app())
    workspace.call("keys", "delete", key["id"])
    assert workspace.call("keys", "verify", "--json", stdin=key["key"]).json["outcome"] == "unknown_key"


@pytest.mark.parametrize(("stdin", "line"), [("", "stdin is empty"), ("x" * 5000, "stdin holds more than one key")])
def test_no_key_or_too_much_on_stdin_is_a_usage_error(workspace: Workspace, stdin: str, line: str) -> None:
    ended = workspace.call("keys", "verify", stdin=stdin)
    assert ended.code == 2
    assert len(ended.error_lines) == 1
    assert line in ended.err


def test_a_key_as_argument_is_refused_without_repeating_its_secret(workspace: Workspace) -> None:
    key = workspace.key(workspace.app())["key"]
    ended = workspace.call("keys", "verify", key)
    assert ended.code == 2
    assert len(ended.error_lines) == 1
    assert key.rsplit("_", 1)[1] not in ended.out + ended.err
