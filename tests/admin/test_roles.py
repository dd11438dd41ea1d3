"""The role matrix: every operation, every role, own and foreign objects; and the page that promises it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway_auth.admin.openapi import openapi_document
from gateway_auth.admin.operation import Operation
from gateway_auth.admin.operations import OPERATIONS
from gateway_auth.lifecycle.authority import ACTIONS, ALLOWED
from tests.admin.world import ROLES, AdminWorld

PAGE = Path(__file__).resolve().parents[2] / "docs" / "admin.md"
ROW = re.compile(r"\| `(\w+) (/api/v1/\S*)` \|" + r" ([^|]*) \|" * 4)

Body = Callable[[AdminWorld, str], Awaitable[object]]


async def of_the_app(_world: AdminWorld, app_id: str) -> object:
    return {"app_id": app_id, "scopes": ["orders:read"]}


async def of_a_key(world: AdminWorld, app_id: str) -> object:
    return {"key": (await world.a_key(await world.apps.get(app_id))).text}


BODIES: dict[str, object | Body] = {
    "create_app": {"name": "new"},
    "update_app": {"name": "renamed"},
    "create_key": of_the_app,
    "update_key": {"name": "renamed"},
    "rotate_key": {},
    "grant": {"scope": "orders:read", "expires_in": "1h"},
    "verify_key": of_a_key,
    "revoke_tokens": {"jti": "some-token"},
}


def matrix() -> list[tuple[Operation, str, str]]:
    return [(operation, role, whose) for operation in OPERATIONS for role in ROLES for whose in ("own", "foreign")]


@pytest.mark.parametrize(
    ("operation", "role", "whose"), matrix(), ids=lambda value: value.name if isinstance(value, Operation) else value
)
async def test_every_operation_answers_every_role_as_documented(
    world: AdminWorld, operation: Operation, role: str, whose: str
) -> None:
    app = await world.an_app("dev" if whose == "own" else "somebody")
    key = await world.a_key(app)
    body = BODIES.get(operation.name, {} if operation.body is not None else None)
    body = await body(world, app.id) if callable(body) else body
    path = operation.path.replace("{id}", app.id if "/apps/" in operation.path else key.record.id)
    before = len(world.memory.audit)
    response = await world.ask(operation.method, path, body, role=role)
    expected = promised()[operation.method, operation.path][ROLES.index(role)]
    if expected == "own" and whose == "foreign" and (operation.has_object or operation.name == "create_key"):
        assert response.status_code == 404, response.text
    elif expected == "no":
        assert response.status_code == 403, response.text
        assert [event.outcome for event in world.memory.audit[before:]] == ["denied"]
    else:
        assert response.status_code == operation.status, response.text
        if operation.name.startswith("list_a") and expected == "own":
            assert [one["id"] for one in response.json()] == [app.id] * (whose == "own")
        if operation.name == "verify_key":
            seen = "valid" if expected == "yes" or whose == "own" else "unknown_key"
            assert response.json()["outcome"] == seen
    if response.status_code in (403, 404):
        assert world.memory._apps[app.id] == app
        assert world.memory._keys[key.record.id] == key.record


def test_the_page_promises_what_the_table_in_the_program_says() -> None:
    found = promised()
    document = openapi_document(OPERATIONS)["paths"]
    described = {(method.upper(), path) for path, methods in document.items() for method in methods}
    assert set(found) == {(method, path) for method, path in described if path.startswith("/api/")}
    for operation in OPERATIONS:
        allowed = [operation.action in ALLOWED[role] for role in ALLOWED]
        assert [word != "no" for word in found[operation.method, operation.path]] == allowed, operation.name
        assert found[operation.method, operation.path][3] != "yes"


def test_every_action_belongs_to_an_operation_and_admins_may_do_all() -> None:
    assert {operation.action for operation in OPERATIONS} == set(ACTIONS)
    assert ALLOWED["admin"] == set(ACTIONS)
    assert not {action for action in ALLOWED["auditor"] if not action.endswith((".read", ".verify"))}


def promised() -> dict[tuple[str, str], tuple[str, ...]]:
    """What docs/admin.md says: `yes`, `own` or `no` for each role."""
    return {(row[1], row[2]): row.groups()[2:] for row in ROW.finditer(PAGE.read_text("utf-8"))}
