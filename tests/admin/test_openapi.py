"""The OpenAPI document and the program say the same: in shape, in every answer, under requests nobody would write."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import quote

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway_auth.admin.openapi import openapi_document
from gateway_auth.admin.operation import Operation
from gateway_auth.admin.operations import OPERATIONS
from tests.admin.world import ROLES, AdminWorld

EXAMPLES = int(os.environ.get("GATEWAY_AUTH_API_EXAMPLES", "12"))
"""Requests for each operation."""
DOCUMENT = openapi_document(OPERATIONS)

TEXT = st.text(max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
LIKELY = st.sampled_from(
    ["orders:read", "orders:*", "*", "reader", "90d", "0", "never", "1h", "live", "test", "10.0.0.0/8", "0.0.0.0/0",
     "2030-01-31T12:00:00Z", "GET /v1/*", "https://*.example.com/*", "\x1b[2J", "\u202e", "\ud800", "a" * 300, "free",
     "",
     "https://idp.example.com", "corp", "gwk_live_000000000000_" + "0" * 38, "com.example.App"]
)  # fmt: skip


def test_it_is_a_document_of_its_kind() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    for name, schema in DOCUMENT["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema.get("additionalProperties") is False or schema.get("type") == "array" or name == "KeyCheck"
    references = set(_references(DOCUMENT))
    assert references
    for reference in references:
        where: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            where = where[part]
    names = [operation.name for operation in OPERATIONS]
    assert len(set(names)) == len(names)


def test_every_operation_says_which_statuses_it_has() -> None:
    for operation in OPERATIONS:
        described = DOCUMENT["paths"][operation.path][operation.method.lower()]
        assert {"400", "401", "403", "422", "429", "503", str(operation.status)} <= set(described["responses"])
        parameters = {parameter["name"] for parameter in described["parameters"]}
        assert ("id" in parameters) == ("{id}" in operation.path)
        assert ("If-Match" in parameters) == ("412" in described["responses"])
        assert ("requestBody" in described) == ("415" in described["responses"])


@st.composite
def requests(draw: st.DrawFn, operation: Operation) -> dict[str, Any]:
    """One that is mostly as described, and sometimes not at all."""
    body: object = None
    if operation.body is not None:
        fields = [*operation.body.model_fields, *draw(st.lists(TEXT, max_size=1))]
        value = LIKELY | st.lists(LIKELY, max_size=3) | JSON
        body = draw(st.fixed_dictionaries({}, optional=dict.fromkeys(fields, value)) | JSON)
    names = st.sampled_from([*operation.query.model_fields, "limit", "x"])
    return {
        "body": body,
        "id": draw(st.sampled_from(["own", "foreign", "none"]) | TEXT),
        "app": draw(st.sampled_from(["own", "foreign"]) | TEXT),
        "params": draw(st.lists(st.tuples(names, st.sampled_from(["1", "0", "24h", "day", ""]) | TEXT), max_size=2)),
        "role": draw(st.sampled_from(ROLES)),
        "headers": draw(st.dictionaries(
            st.sampled_from(["if-match", "if-none-match", "idempotency-key", "content-type"]),
            st.sampled_from(["*", '"x"', "k1", "k2", "application/json", "text/plain", ""]), max_size=2,
        )),
    }  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_whatever_is_asked_is_answered_as_described(operation: Operation) -> None:
    described = DOCUMENT["paths"][operation.path][operation.method.lower()]["responses"]

    @settings(
        max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
    )
    @given(asked=requests(operation))
    def check(asked: dict[str, Any]) -> None:
        import asyncio

        asyncio.run(ask_and_check(operation, described, asked))

    check()


async def ask_and_check(operation: Operation, described: dict[str, Any], asked: dict[str, Any]) -> None:
    world = AdminWorld()
    try:
        await world.populate()
        apps = {"own": await world.an_app("dev"), "foreign": await world.an_app("somebody")}
        keys = {name: (await world.a_key(app)).record.id for name, app in apps.items()}
        ids = {name: app.id for name, app in apps.items()} if "/apps/" in operation.path else keys
        if isinstance(asked["body"], dict) and "app_id" in asked["body"]:
            asked["body"]["app_id"] = apps[asked["app"]].id if asked["app"] in apps else asked["app"]
        path = operation.path.replace(
            "{id}", quote(ids.get(asked["id"], asked["id"]) or "-", safe="", errors="replace")
        )
        pairs = "&".join(f"{name}={quote(value, errors='replace')}" for name, value in asked["params"])
        response = await world.ask(
            operation.method, f"{path}?{pairs}" if pairs else path, asked["body"], role=asked["role"],
            headers=asked["headers"],
        )  # fmt: skip
        status = str(response.status_code)
        assert response.status_code < 500, response.text
        assert status in described, (status, response.text)
        check_answer(response.headers.get("content-type", ""), response.content, described[status])
    finally:
        await world.close()


def check_answer(media_type: str, content: bytes, described: dict[str, Any]) -> None:
    """The body is what the document says it is."""
    if "$ref" in described:
        described = DOCUMENT["components"]["responses"][described["$ref"].rpartition("/")[2]]
    if "content" not in described:
        assert content == b""
        return
    schema = {**described["content"][media_type]["schema"], "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(json.loads(content))


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [one for inner in value.values() for one in _references(inner)]
    return [one for inner in value for one in _references(inner)] if isinstance(value, list) else []
