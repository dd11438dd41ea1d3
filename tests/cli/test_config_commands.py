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
    assert call("config", "schema", "--json").json == call("config", "schema").json


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
    assert ended.error_lines == ["gateway-auth: there is no key nobody; `gateway-auth keys list` shows all"]


@pytest.mark.parametrize(
    ("options", "check", "result"),
    [
        (("--from", "10.1.2.3"), "networks", "passes"),
        (("--from", "192.0.2.1"), "networks", "refuses"),
        (("--scope", "orders:*", "--role", "admin"), "scopes", "passes"),
        (("--scope", "orders:read", "--role", "admin"), "scopes", "refuses"),
        (("--scope", "orders:write", "--role", "admin"), "roles", "passes"),
        (("--scope", "orders:write", "--role", "other"), "roles", "refuses"),
        (("--header", "Referer: https://app.example.com/x"), "referrers", "passes"),
        (("--header", "Origin: https://evil.example.com"), "referrers", "refuses"),
        (("--https",), "https", "passes"),
        (("--http",), "https", "refuses"),
        ((), "https", "depends"),
    ],
)
def test_explain_judges_what_is_said_of_the_request(
    workspace: Workspace, options: tuple[str, ...], check: str, result: str
) -> None:
    workspace.change("[store]", "require_https = true\n\n[store]")
    with workspace.config.open("a", encoding="utf-8") as file:
        file.write(
            '[[routes]]\nid = "strict"\npath = "/strict"\nscopes = ["orders:write"]\nroles = ["admin"]\n'
            'allow_networks = ["10.0.0.0/8"]\nallow_referrers = ["https://app.example.com/*"]\n'
        )
    found = explained(workspace, "GET", "/strict", *options)
    assert (check, result) in results(found)
    assert (found["refused"] is not None) == (result == "refuses")


def test_explain_tells_a_refusal_that_shadow_mode_turns_into_a_pass(routed: Workspace) -> None:
    request = ("DELETE", "/v1/orders/all", "--scope", "nothing")
    found = explained(routed, *request)
    assert (found["refused"], found["status"], found["shadowed"]) == (None, None, "insufficient_scope")
    assert "passes, as route" in routed.call("config", "explain", *request).out


def test_explain_in_shadow_mode_still_refuses_what_is_never_let_pass(routed: Workspace) -> None:
    key = routed.key(routed.app())["key"]
    found = explained(routed, "DELETE", f"/v1/orders/all?key={key}")
    assert (found["refused"], found["shadowed"]) == ("credential_in_url", None)


@pytest.mark.parametrize(
    "options", [("--from", "nowhere"), ("--header", "none"), ("--scope", "a b"), ("--key-id", "x", "--scope", "a")]
)
def test_explain_refuses_what_cannot_be_said_of_a_request(workspace: Workspace, options: tuple[str, ...]) -> None:
    if options[0] == "--key-id":
        options = ("--key-id", workspace.key(workspace.app())["id"], *options[2:])
    ended = workspace.call("config", "explain", "GET", "/healthz", *options)
    assert ended.code == 2
    assert len(ended.error_lines) == 1
