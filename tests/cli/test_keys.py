"""`keys`: creation, the states of a key, what is shown of it, and what never is."""

from __future__ import annotations

import re

import pytest

from tests.cli.command import Workspace

KEY = re.compile(r"gwk_(live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")
PUBLIC = {
    "id", "app_id", "name", "environment", "status", "scopes", "roles", "grants", "not_before", "expires_at",
    "allow_networks", "deny_networks", "allow_referrers", "allow_android", "allow_ios", "allow_requests",
    "created_at", "created_by", "last_used_at", "last_used_address", "rotated_from", "retires_at", "metadata",
}  # fmt: skip
SHA1 = ":".join(["AB"] * 20)


def test_create_prints_the_key_alone_on_stdout_and_nowhere_else(workspace: Workspace) -> None:
    created = workspace.call("keys", "create", "--app", workspace.app(), "--scope", "orders:read")
    key = created.out.strip()
    assert KEY.fullmatch(key)
    assert created.out == f"{key}\n"
    assert key.rsplit("_", 1)[1] not in created.err


def test_create_as_json_has_the_key_and_every_public_field(workspace: Workspace) -> None:
    created = workspace.call("keys", "create", "--app", workspace.app(), "--json")
    assert set(created.json) == PUBLIC | {"key"}
    assert created.out.count(created.json["key"].rsplit("_", 1)[1]) == 1
    assert created.err == ""


def test_every_option_lands_in_its_field(workspace: Workspace) -> None:
    key = workspace.key(
        workspace.app(), "--name", "ci", "--env", "test", "--scope", "orders:read", "--scope", "orders:*",
        "--role", "reader", "--expires-in", "90d", "--allow-network", "10.0.0.0/8", "--deny-network", "10.1.0.0/16",
        "--allow-referrer", "https://*.example.com/*", "--allow-android", f"com.example.app:{SHA1}",
        "--allow-ios", "com.example.App", "--allow-request", "GET /v1/*", "--metadata", "team=blue",
    )  # fmt: skip
    assert key["key"].startswith("gwk_test_")
    assert key["name"] == "ci"
    assert key["scopes"] == ["orders:read", "orders:*"]
    assert key["roles"] == ["reader"]
    assert key["expires_at"] > key["created_at"]
    assert key["allow_networks"] == ["10.0.0.0/8"]
    assert key["deny_networks"] == ["10.1.0.0/16"]
    assert key["allow_referrers"] == ["https://*.example.com/*"]
    assert len(key["allow_android"]) == len(key["allow_ios"]) == 1
    assert key["allow_requests"] == ["GET /v1/*"]
    assert key["metadata"] == {"team": "blue"}


@pytest.mark.parametrize("arguments", [("list",), ("list", "--json"), ("show", "ID"), ("show", "ID", "--json")])
def test_no_other_command_shows_a_secret(workspace: Workspace, arguments: tuple[str, ...]) -> None:
    key = workspace.key(workspace.app())
    words = [key["id"] if word == "ID" else word for word in arguments]
    ended = workspace.call("keys", *words)
    assert key["id"] in ended.out
    assert key["key"].rsplit("_", 1)[1] not in ended.out + ended.err


def test_list_as_json_is_an_array_of_public_fields_of_one_app_or_all(workspace: Workspace) -> None:
    one, two = workspace.app("one"), workspace.app("two")
    keys = {workspace.key(app)["id"] for app in (one, two)}
    everything = workspace.call("keys", "list", "--json").json
    assert {key["id"] for key in everything} == keys
    assert set(everything[0]) == PUBLIC
    assert {key["app_id"] for key in workspace.call("keys", "list", "--app", one, "--json").json} == {one}


def test_a_key_goes_through_its_states(workspace: Workspace) -> None:
    key_id = workspace.key(workspace.app())["id"]
    for action, status in (("disable", "disabled"), ("enable", "active"), ("revoke", "revoked")):
        assert workspace.call("keys", action, key_id, "--json").json["status"] == status
    refused = workspace.call("keys", "enable", key_id)
    assert refused.code == 1
    assert len(refused.error_lines) == 1
    assert workspace.call("keys", "delete", key_id).out == f"{key_id} is deleted\n"
    assert workspace.call("keys", "list", "--json").json == []


def test_a_list_that_is_given_replaces_the_old_one_and_clear_empties_it(workspace: Workspace) -> None:
    key_id = workspace.key(workspace.app(), "--scope", "a", "--name", "old", "--expires-in", "1d")["id"]
    updated = workspace.call("keys", "update", key_id, "--scope", "b", "--name", "new", "--json").json
    assert (updated["scopes"], updated["name"]) == (["b"], "new")
    assert updated["expires_at"] is not None
    cleared = workspace.call("keys", "update", key_id, "--clear", "scopes", "--expires-in", "never", "--json").json
    assert (cleared["scopes"], cleared["expires_at"], cleared["name"]) == ([], None, "new")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--clear", "digest"), "--clear: there is no such field digest"),
        (("--clear", "scopes", "--scope", "a"), "--clear: scopes is also given a value"),
        (("--metadata", "team"), "--metadata: write NAME=VALUE, not team"),
        (("--scope", "*"), "--scope: "),
        (("--expires-in", "tomorrow"), "--expires-in: "),
        (("--allow-network", "0.0.0.0/0"), "--allow-network: "),
        (("--deny-network", "10.0.0.1/8"), "--deny-network: "),
    ],
)
def test_a_value_that_cannot_be_is_one_line_naming_its_option(
    workspace: Workspace, options: tuple[str, ...], line: str
) -> None:
    key_id = workspace.key(workspace.app())["id"]
    ended = workspace.call("keys", "update", key_id, *options)
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.error_lines) == 1
    assert ended.err.startswith(f"gateway-auth: {line}")


@pytest.mark.parametrize("option", ["--expires-in", "--expires-at", "--not-before"])
def test_an_empty_value_is_no_missing_one(workspace: Workspace, option: str) -> None:
    app, key = workspace.app(), workspace.key(workspace.app("other"), "--expires-in", "1d")
    for words in (("create", "--app", app), ("update", key["id"])):
        ended = workspace.call("keys", *words, option, "")
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith(f"gateway-auth: {option}: must be ")
    assert workspace.call("keys", "list", "--app", app, "--json").json == []
    assert workspace.call("keys", "list", "--app", "").code == 1


def test_an_environment_that_is_none_names_its_option(workspace: Workspace) -> None:
    ended = workspace.call("keys", "create", "--app", workspace.app(), "--env", "prod")
    assert ended.code == 2
    assert ended.error_lines == ['gateway-auth: --env: must be "live" or "test"']


def test_a_grant_adds_a_scope_with_an_end(workspace: Workspace) -> None:
    key_id = workspace.key(workspace.app())["id"]
    granted = workspace.call("keys", "grant", key_id, "orders:write", "--expires-in", "1h", "--json").json
    assert [grant["scope"] for grant in granted["grants"]] == ["orders:write"]


def test_a_disabled_app_gets_no_keys(workspace: Workspace) -> None:
    app_id = workspace.app()
    workspace.call("apps", "disable", app_id)
    ended = workspace.call("keys", "create", "--app", app_id)
    assert (ended.code, ended.out) == (1, "")
    assert len(ended.error_lines) == 1
