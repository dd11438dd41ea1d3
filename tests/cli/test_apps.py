"""`apps`: what is printed, in which shape, and what refusals say."""

from __future__ import annotations

import re

from tests.cli.command import Workspace

FIELDS = {"id", "name", "owner", "project", "plan", "status", "created_at", "created_by"}


def test_create_prints_the_id_alone_on_stdout(workspace: Workspace) -> None:
    created = workspace.call("apps", "create", "shop")
    assert created.code == 0
    assert re.fullmatch(r"app_[0-9A-Za-z]{16}\n", created.out)


def test_create_as_json_has_every_field(workspace: Workspace) -> None:
    created = workspace.call("apps", "create", "shop", "--owner", "ann", "--project", "p", "--plan", "free", "--json")
    app = created.json
    assert set(app) == FIELDS
    assert (app["name"], app["owner"], app["project"], app["plan"], app["status"]) == (
        "shop", "ann", "p", "free", "active",
    )  # fmt: skip
    assert app["created_by"].startswith("cli:")


def test_list_as_json_is_an_array_also_when_empty(workspace: Workspace) -> None:
    assert workspace.call("apps", "list", "--json").json == []
    app_id = workspace.app()
    (listed,) = workspace.call("apps", "list", "--json").json
    assert listed["id"] == app_id
    assert set(listed) == FIELDS


def test_an_empty_list_says_on_stderr_what_to_do(workspace: Workspace) -> None:
    ended = workspace.call("apps", "list")
    assert (ended.code, ended.out) == (0, "")
    assert "apps create" in ended.err


def test_disable_and_enable_tell_the_new_state(workspace: Workspace) -> None:
    app_id = workspace.app()
    assert workspace.call("apps", "disable", app_id, "--json").json["status"] == "disabled"
    assert workspace.call("apps", "disable", app_id).out == f"{app_id} (shop) is disabled\n"
    assert workspace.call("apps", "enable", app_id, "--json").json["status"] == "active"


def test_delete_takes_the_keys_along(workspace: Workspace) -> None:
    app_id = workspace.app()
    key = workspace.key(app_id)
    assert workspace.call("apps", "delete", app_id).code == 0
    assert workspace.call("apps", "list", "--json").json == []
    assert workspace.call("keys", "show", key["id"]).error_lines == [
        f"gateway-auth: there is no key {key['id']}; `gateway-auth keys list` shows all"
    ]


def test_an_app_is_also_found_by_the_name_only_it_has(workspace: Workspace) -> None:
    app_id = workspace.app("shop")
    assert workspace.call("apps", "show", "shop", "--json").json["id"] == app_id
    assert workspace.key("shop")["app_id"] == app_id


def test_a_name_of_two_apps_is_refused_with_their_ids(workspace: Workspace) -> None:
    ids = sorted([workspace.app("shop"), workspace.app("shop")])
    ended = workspace.call("apps", "delete", "shop")
    assert ended.code == 1
    assert ended.error_lines == [f"gateway-auth: 2 apps have the name shop; give an id: {', '.join(ids)}"]
    assert len(workspace.call("apps", "list", "--json").json) == 2


def test_an_unknown_app_is_one_line_and_exit_1(workspace: Workspace) -> None:
    ended = workspace.call("apps", "show", "nobody")
    assert (ended.code, ended.out) == (1, "")
    assert ended.error_lines == ["gateway-auth: there is no app nobody; `gateway-auth apps list` shows all"]


def test_an_unknown_plan_is_a_usage_error_that_names_the_known_ones(workspace: Workspace) -> None:
    for plan in ("gold", ""):
        ended = workspace.call("apps", "create", "shop", "--plan", plan)
        assert ended.code == 2
        assert ended.error_lines == ["gateway-auth: --plan: is not one the configuration defines (free)"]
