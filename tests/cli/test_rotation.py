"""`keys rotate | unused | due`: what people and programs are told. What happens is tested in tests/lifecycle."""

from tests.cli.command import Workspace
from tests.cli.test_keys import KEY, PUBLIC


def test_rotate_prints_the_new_key_alone_on_stdout_and_what_to_do_next(workspace: Workspace) -> None:
    old = workspace.key(workspace.app(), "--scope", "orders:read")
    rotated = workspace.call("keys", "rotate", old["id"], "--overlap", "12h")
    assert KEY.fullmatch(rotated.out.strip())
    assert f"gateway-auth keys enable {old['id']}" in rotated.err
    assert "has not been used yet" in rotated.err
    shown = workspace.call("keys", "show", old["id"], "--json").json
    assert (shown["status"], shown["retires_at"] > shown["created_at"]) == ("active", True)


def test_rotate_as_json_is_the_new_key_with_every_public_field(workspace: Workspace) -> None:
    old = workspace.key(workspace.app(), "--scope", "orders:read")
    rotated = workspace.call("keys", "rotate", old["id"], "--overlap", "0", "--json")
    assert set(rotated.json) == PUBLIC | {"key"}
    assert (rotated.json["rotated_from"], rotated.json["scopes"]) == (old["id"], ["orders:read"])
    assert rotated.err == ""
    assert workspace.call("keys", "show", old["id"], "--json").json["status"] == "disabled"
    enabled = workspace.call("keys", "enable", old["id"], "--json").json
    assert (enabled["status"], enabled["retires_at"]) == ("active", None)


def test_a_wrong_overlap_is_one_line(workspace: Workspace) -> None:
    refused = workspace.call("keys", "rotate", workspace.key(workspace.app())["id"], "--overlap", "soon")
    assert (refused.code, len(refused.error_lines)) == (2, 1)
    assert "overlap" in refused.error_lines[0]


def test_unused_lists_and_disables(workspace: Workspace) -> None:
    key_id = workspace.key(workspace.app())["id"]
    assert workspace.call("keys", "unused", "--json").json == []
    assert "Every active key was used" in workspace.call("keys", "unused").err
    assert key_id in workspace.call("keys", "unused", "--days", "0").out
    listed = workspace.call("keys", "unused", "--days", "0", "--disable", "--json").json
    assert [(key["id"], key["status"]) for key in listed] == [(key_id, "disabled")]


def test_due_lists_keys_about_to_expire(workspace: Workspace) -> None:
    key_id = workspace.key(workspace.app(), "--expires-in", "3d")["id"]
    assert [key["id"] for key in workspace.call("keys", "due", "--json").json] == [key_id]
    assert "No key has to be rotated" in workspace.call("keys", "due", "--within", "1").err


def test_what_is_wrong_with_due_names_its_own_option(workspace: Workspace) -> None:
    for options, line in (
        (("--within", "-1"), "--within: must be from 0 to 36500"),
        (("--rotate-with", ""), "--rotate-with needs a command"),  # an unset variable must not make it a mere list
    ):
        ended = workspace.call("keys", "due", *options)
        assert ended.code == 2
        assert ended.err.startswith(f"gateway-auth: {line}")
