"""What comes before any operation: the name it is called by, sizes, paths and methods, what every answer carries."""

from __future__ import annotations

import pytest

from gateway_auth.admin.problems import CODES
from tests.admin.world import AdminWorld, code


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8081", "[::1]:8081", "localhost", "LOCALHOST:1", "192.0.2.9", "gateway-admin.internal",
     "gateway-admin.internal.:443"],
)  # fmt: skip
async def test_it_is_called_by_address_or_by_a_name_of_its_own(world: AdminWorld, host: str) -> None:
    assert (await world.ask("GET", "/healthz", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.test", "evil.test:8081", "127.0.0.1.evil.test", "localhost.evil.test", "", "a@localhost", "localhost:x",
     "2130706433", "0x7f.1", "[::1", "127.1", "localhost,evil.test"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/openapi.json", "/api/v1/apps", "/portal/"])
async def test_by_another_name_it_says_nothing(world: AdminWorld, host: str, path: str) -> None:
    response = await world.ask("GET", path, headers={"host": host})
    assert (response.status_code, code(response)) == (421, "misdirected_request")


async def test_there_is_exactly_one_host(world: AdminWorld) -> None:
    response = await world.client.get("/healthz", headers=[("host", "localhost"), ("host", "localhost")])
    assert (response.status_code, code(response)) == (400, "malformed_request")


async def test_sizes_are_bounded(world: AdminWorld) -> None:
    for path, headers, expected in (
        ("/healthz?" + "a" * 8200, {}, (414, "uri_too_long")),
        ("/healthz", {"x-a": "a" * 17000}, (431, "header_too_large")),
        ("/healthz", {f"x-{number}": "a" for number in range(101)}, (431, "header_too_large")),
    ):
        response = await world.ask("GET", path, role=None, headers=headers)
        assert (response.status_code, code(response)) == expected


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1", "/api/v1/apps/", "/api/v1/apps/a/b", "/api/v2/apps", "/docs", "/portal/"]
)
async def test_other_paths_are_not_there(world: AdminWorld, path: str) -> None:
    response = await world.ask("GET", path)
    assert (response.status_code, code(response)) == (404, "not_found")


@pytest.mark.parametrize("app_id", ["x", "app_%00", "%2e%2e", "a" * 100, "%F0%9F%98%80", "app_1;DROP TABLE apps"])
async def test_an_id_that_cannot_be_is_not_there(world: AdminWorld, app_id: str) -> None:
    for kind in ("apps", "keys"):
        response = await world.ask("GET", f"/api/v1/{kind}/{app_id}")
        assert (response.status_code, code(response)) == (404, "not_found")


@pytest.mark.parametrize(("method", "path", "allowed"), [
    ("PUT", "/api/v1/apps", {"GET", "HEAD", "POST"}), ("DELETE", "/api/v1/keys", {"GET", "HEAD", "POST"}),
    ("PATCH", "/api/v1/tokens/revoke", {"POST"}), ("GET", "/api/v1/keys/k/rotate", {"POST"}),
    ("TRACE", "/healthz", {"GET", "HEAD"}),
    ("OPTIONS", "/api/v1/apps", {"GET", "HEAD", "POST"}),
])  # fmt: skip
async def test_another_method_is_told_which_there_are(
    world: AdminWorld, method: str, path: str, allowed: set[str]
) -> None:
    response = await world.ask(method, path)
    assert (response.status_code, code(response)) == (405, "method_not_allowed")
    assert {name.strip() for name in response.headers["allow"].split(",")} == allowed


async def test_no_other_site_is_let_in(world: AdminWorld) -> None:
    headers = {"origin": "https://evil.test", "access-control-request-method": "POST"}
    for method, path in (("OPTIONS", "/api/v1/apps"), ("GET", "/api/v1/apps"), ("GET", "/healthz")):
        response = await world.ask(method, path, headers=headers)
        assert not [name for name in response.headers if name.startswith("access-control")]


async def test_every_answer_is_kept_nowhere_and_has_an_id(world: AdminWorld) -> None:
    seen = set()
    for path in ("/healthz", "/metrics", "/openapi.json", "/api/v1/apps", "/nowhere"):
        response = await world.ask("GET", path)
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        seen.add(response.headers["x-request-id"])
    assert len(seen) == 5


async def test_head_answers_as_get_without_a_body(world: AdminWorld) -> None:
    app = await world.an_app()
    response = await world.ask("HEAD", f"/api/v1/apps/{app.id}")
    assert response.status_code == 200
    assert response.headers["etag"] == (await world.ask("GET", f"/api/v1/apps/{app.id}")).headers["etag"]


async def test_a_bug_is_a_problem_without_words_of_its_own(world: AdminWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError(world.tokens["admin"])

    monkeypatch.setattr(world.memory, "transaction", broken)
    response = await world.ask("POST", "/api/v1/apps", {"name": "x"})
    assert (response.status_code, code(response)) == (500, "internal_error")
    assert world.tokens["admin"] not in response.text


async def test_watching_needs_no_credential_and_tells_no_name(world: AdminWorld) -> None:
    app = await world.an_app(name="very-secret-name")
    await world.ask("GET", f"/api/v1/apps/{app.id}")
    await world.ask("GET", "/api/v1/apps", role=None)
    text = ""
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
        response = await world.ask("GET", path, role=None)
        assert response.status_code == 200
        text += response.text
    assert app.id not in text
    assert app.name not in text
    assert 'gateway_auth_admin_requests_total{operation="show_app",status="200"} 1' in text
    assert 'gateway_auth_admin_requests_total{operation="list_apps",status="401"} 1' in text
    assert f"gateway_auth_audit_records {len(world.memory.audit)}" in text


async def test_ready_is_who_has_a_store(world: AdminWorld) -> None:
    world.health["redis"] = "unavailable"
    response = await world.ask("GET", "/readyz", role=None)
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    world.health["store"] = "unavailable"
    response = await world.ask("GET", "/readyz", role=None)
    assert (response.status_code, response.json()["status"]) == (503, "unavailable")
    assert (await world.ask("GET", "/healthz", role=None)).status_code == 200


def test_the_codes_of_the_page_are_those_of_the_program() -> None:
    from tests.admin.test_roles import PAGE

    page = PAGE.read_text("utf-8")
    for name, kind in CODES.items():
        assert f"| `{name}` | {kind.status} | {kind.detail} |" in page
