"""`config`: problems as data, the schema, and what a request would meet."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.command import Workspace, call

ROUTES = """
[[routes]]
id = "admin"
path = "/v1/orders/all"
methods = ["DELETE"]
scopes = ["orders:write"]
roles = ["admin"]
allow_networks = ["10.0.0.0/8"]
mode = "shadow"
"""


@pytest.fixture
def routed(workspace: Workspace) -> Workspace:
    """With a route that demands everything."""
    workspace.config.write_text(workspace.config.read_text("utf-8") + ROUTES, "utf-8")
    return workspace


def explained(workspace: Workspace, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = workspace.call("config", "explain", *arguments, "--json").json
    return found


def results(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(check["check"], check["result"]) for check in found["checks"]]


def test_check_is_quiet_about_a_good_configuration(workspace: Workspace) -> None:
    assert workspace.call("config", "check").out.endswith("gateway.toml: no problem in 2 routes\n")
    assert workspace.call("config", "check", "--json").json == {"ok": True, "problems": [], "warnings": []}


def test_check_tells_problems_as_data_and_exits_2(workspace: Workspace) -> None:
    workspace.change('by = "key"', 'by = "keys"')
    ended = workspace.call("config", "check", "--json")
    assert ended.code == 2
    assert ended.json["ok"] is False
    assert [problem["path"] for problem in ended.json["problems"]] == ["routes[1].limits[0].by"]


def test_check_tells_warnings(routed: Workspace) -> None:
    (warning,) = routed.call("config", "check", "--json").json["warnings"]
    assert warning["path"] == "routes[2].mode"
    assert "warning: routes[2].mode" in routed.call("config", "check").err


def test_schema_is_a_json_schema(workspace: Workspace) -> None:
    # It needs no configuration, so it takes none.
    assert workspace.call("config", "schema").code == 2
    assert call("config", "schema").json["$schema"].startswith("https://json-schema.org/")


def test_explain_shows_the_route_and_the_order_of_checks(workspace: Workspace) -> None:
    found = explained(workspace, "GET", "/v1/orders/1")
    assert found["refused"] is None
    assert found["route"]["id"] == "orders-read"
    assert results(found) == [
        ("request", "passes"),
        ("route", "passes"),
        ("networks", "passes"),
        ("failed-auth brake", "depends"),
        ("credential", "depends"),
        ("key state", "depends"),
        ("key restrictions", "depends"),
        ("scopes", "depends"),
        ("limits", "depends"),
    ]


def test_explain_shows_what_a_route_demands(routed: Workspace) -> None:
    found = explained(routed, "DELETE", "/v1/orders/all")
    assert found["route"]["scopes"] == ["orders:write"]
    assert found["route"]["roles"] == ["admin"]
    assert ("networks", "depends") in results(found)
    assert "shadow" in routed.call("config", "explain", "DELETE", "/v1/orders/all").out


@pytest.mark.parametrize(
    ("request_line", "reason", "status"),
    [
        (("POST", "/v1/orders/1"), "no_matching_route", 403),
        (("GET", "/elsewhere"), "no_matching_route", 403),
        (("TRACE", "/healthz"), "no_matching_route", 403),
        (("GET", "/v1/../healthz"), "malformed_request", 400),
        (("GET", "/v1/orders/a%2Fb"), "malformed_request", 400),
    ],
)
def test_explain_says_what_is_refused_for_certain(
    workspace: Workspace, request_line: tuple[str, str], reason: str, status: int
) -> None:
    found = explained(workspace, *request_line)
    assert (found["refused"], found["status"]) == (reason, status)
    assert results(found)[-1][1] == "refuses"


def test_explain_names_the_methods_a_path_has(workspace: Workspace) -> None:
    assert explained(workspace, "POST", "/healthz")["checks"][-1]["because"] == "the routes of this path are for GET"


def test_explain_finds_a_key_in_the_query_and_does_not_repeat_it(workspace: Workspace) -> None:
    key = workspace.key(workspace.app())["key"]
    ended = workspace.call("config", "explain", "GET", f"/v1/orders/1?key={key}", "--json")
    assert ended.json["refused"] == "credential_in_url"
    assert key.rsplit("_", 1)[1] not in ended.out


def test_explain_judges_a_key_without_its_secret(workspace: Workspace) -> None:
    app = workspace.app()
    good = workspace.key(app, "--scope", "orders:*")
    bad = workspace.key(app, "--scope", "other")
    elsewhere = workspace.key(app, "--scope", "orders:read", "--allow-request", "GET /v2/*")
    workspace.call("keys", "disable", bad["id"])
    request = ("GET", "/v1/orders/1", "--key-id")
    assert explained(workspace, *request, good["id"])["refused"] is None
    assert explained(workspace, *request, bad["id"])["refused"] == "credential_disabled"
    workspace.call("keys", "enable", bad["id"])
    assert explained(workspace, *request, bad["id"])["refused"] == "insufficient_scope"
    assert explained(workspace, *request, elsewhere["id"])["refused"] == "request_not_allowed"


def test_explain_of_an_unknown_key_is_one_line(workspace: Workspace) -> None:
    ended = workspace.call("config", "explain", "GET", "/healthz", "--key-id", "nobody")
    assert ended.code == 1
    assert ended.error_lines == ["gateway-auth: there is no key nobody"]
