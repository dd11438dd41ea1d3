"""`admins`: what is printed, once, and what refusals say."""

from __future__ import annotations

import re

import pytest

from tests.cli.command import Workspace

TOKEN = re.compile(r"gwadm_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")
FIELDS = {"id", "name", "role", "status", "may_grant_scopes", "may_grant_roles", "created_at", "created_by"}


def test_create_prints_the_token_alone_on_stdout(workspace: Workspace) -> None:
    created = workspace.call("admins", "create", "ann", "--role", "operator")
    assert created.code == 0
    assert TOKEN.fullmatch(created.out.strip())
    assert "only time it is shown" in created.err
    assert not TOKEN.search(created.err)


def test_create_as_json_has_the_token_and_every_field(workspace: Workspace) -> None:
    created = workspace.call("admins", "create", "ann", "--role", "developer", "--may-grant-scope", "a", "--json").json
    assert set(created) == {"token", *FIELDS}
    assert created["token"].split("_")[1] == created["id"]
    assert (created["role"], created["may_grant_scopes"], created["may_grant_roles"]) == ("developer", ["a"], [])
    listed = workspace.call("admins", "list", "--json").json
    assert [{name: value for name, value in created.items() if name != "token"}] == listed


def test_without_bounds_a_developer_may_hand_on_nothing_and_others_everything(workspace: Workspace) -> None:
    for role, scopes in (("developer", []), ("operator", None), ("admin", None)):
        created = workspace.call("admins", "create", role, "--role", role, "--json").json
        assert created["may_grant_scopes"] == scopes


def test_a_name_is_used_once_for_good(workspace: Workspace) -> None:
    assert workspace.call("admins", "create", "ann", "--role", "admin").code == 0
    workspace.call("admins", "disable", "ann")
    ended = workspace.call("admins", "create", " ann ", "--role", "developer")
    assert (ended.code, ended.out) == (1, "")
    assert ended.error_lines == ["gateway-auth: there is an admin ann already; names are never used twice"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ann", "--role", "root"), "--role: must be one of admin, operator, auditor, developer"),
        (("", "--role", "admin"), "name: must not be empty"),
        (("\x1b[2J", "--role", "admin"), "name: contains a control or formatting character"),
        (("ann", "--role", "admin", "--may-grant-scope", "*"), "--may-grant-scope: "),
        (("ann", "--role", "admin", "--may-grant-role", "a b"), "--may-grant-role: "),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_2(workspace: Workspace, arguments: tuple[str, ...], said: str) -> None:
    ended = workspace.call("admins", "create", *arguments)
    assert (ended.code, ended.out, len(ended.error_lines)) == (2, "", 1)
    assert said in ended.err
    assert workspace.call("admins", "list", "--json").json == []


def test_disable_and_enable_tell_the_new_state_by_name_or_id(workspace: Workspace) -> None:
    admin = workspace.call("admins", "create", "ann", "--role", "admin", "--json").json
    assert workspace.call("admins", "disable", "ann", "--json").json["status"] == "disabled"
    assert workspace.call("admins", "enable", admin["id"]).out == f"{admin['id']} (ann) is enabled\n"
    ended = workspace.call("admins", "disable", "bob")
    assert (ended.code, ended.error_lines) == (
        1, ["gateway-auth: there is no admin bob; `gateway-auth admins list` shows all"],
    )  # fmt: skip


def test_rotate_gives_the_same_admin_another_token(workspace: Workspace) -> None:
    first = workspace.call("admins", "create", "ann", "--role", "admin", "--json").json
    second = workspace.call("admins", "rotate", "ann", "--json").json
    assert first.pop("token") != second.pop("token")
    assert first == second


def test_an_empty_list_says_what_to_do_and_a_token_in_a_mistake_is_not_repeated(workspace: Workspace) -> None:
    ended = workspace.call("admins", "list")
    assert (ended.code, ended.out) == (0, "")
    assert "admins create" in ended.err
    token = workspace.call("admins", "create", "ann", "--role", "admin").out.strip()
    ended = workspace.call("admins", "disable", token)
    assert ended.code == 1
    assert token.split("_")[2] not in ended.err


def test_a_prefix_that_is_that_of_admin_tokens_is_refused(workspace: Workspace) -> None:
    text = workspace.config.read_text("utf-8")
    workspace.config.write_text(
        f'{text}\n[api_keys]\nprefix = "gwadm"\n'
        if "[api_keys]" not in text
        else text.replace("[api_keys]", '[api_keys]\nprefix = "gwadm"'),
        "utf-8",
    )
    ended = workspace.call("config", "check")
    assert ended.code == 2
    assert "api_keys.prefix: is what admin tokens begin with" in ended.err


def test_doctor_says_which_tokens_no_pepper_verifies(workspace: Workspace) -> None:
    workspace.call("admins", "create", "ann", "--role", "admin")
    pepper = workspace.directory / "secrets" / "pepper"
    pepper.write_text(pepper.read_text("ascii")[::-1], "ascii")
    assert "1 admins have tokens of a pepper not configured" in workspace.call("doctor").out


def test_update_changes_role_and_bounds_and_leaves_the_token(workspace: Workspace) -> None:
    created = workspace.call("admins", "create", "ann", "--role", "admin", "--json").json
    bounds, ids = [], set()
    for options in (
        ("--role", "operator"), ("--may-grant-scope", "a", "--may-grant-scope", "b:*"), ("--role", "admin"),
        ("--may-grant-role", "reader"), ("--role", "developer"),
    ):  # fmt: skip
        changed = workspace.call("admins", "update", "ann", *options, "--json").json
        ids.add(changed["id"])
        bounds.append((changed["role"], changed["may_grant_scopes"], changed["may_grant_roles"]))
    assert bounds == [
        ("operator", None, None), ("operator", ["a", "b:*"], []), ("admin", ["a", "b:*"], []),
        ("admin", [], ["reader"]), ("developer", [], ["reader"]),
    ]  # fmt: skip
    assert ids == {created["id"]}


def test_who_becomes_a_developer_hands_on_nothing_more(workspace: Workspace) -> None:
    workspace.call("admins", "create", "ann", "--role", "operator")
    changed = workspace.call("admins", "update", "ann", "--role", "developer", "--json").json
    assert (changed["may_grant_scopes"], changed["may_grant_roles"]) == ([], [])
