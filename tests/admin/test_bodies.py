"""What may be sent: JSON that reads one way, known members of the right type, values that can be."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from gateway_auth.admin import asking
from tests.admin.world import AdminWorld, code

KEYS, APPS = "/api/v1/keys", "/api/v1/apps"


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b'"x"', b"1", b'{"name": "a", "name": "b"}', b'{"name": "a", "n\\u0061me": "b"}',
        b'{"name": NaN}', b'{"name": "\xff"}', b'\xef\xbb\xbf{"name": "a"}', b'{"name": "\\ud800"}', b'{"name": "a"} x',
        b"[" * 60000, b'{"metadata":' * 20 + b"1" + b"}" * 20,
    ],
)  # fmt: skip
async def test_what_does_not_read_one_way_is_refused(world: AdminWorld, content: bytes) -> None:
    response = await world.ask("POST", APPS, content=content)
    assert (response.status_code, code(response)) == (400, "malformed_request")
    assert not world.memory._apps


@pytest.mark.parametrize(
    "media_type",
    ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "application/jsonx",
     "application/json; charset=utf-16", "application/json, text/plain", ""],
)  # fmt: skip
async def test_only_json_is_read(world: AdminWorld, media_type: str) -> None:
    response = await world.ask("POST", APPS, {"name": "x"}, headers={"content-type": media_type})
    assert (response.status_code, code(response)) == (415, "unsupported_media_type")
    assert not world.memory._apps


async def test_a_compressed_body_is_not_read(world: AdminWorld) -> None:
    response = await world.ask("POST", APPS, content=b"x", headers={"content-encoding": "gzip"})
    assert (response.status_code, code(response)) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "media_type", ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"']
)
async def test_json_is_read(world: AdminWorld, media_type: str) -> None:
    response = await world.ask("POST", APPS, {"name": "x"}, headers={"content-type": media_type})
    assert response.status_code == 201


async def test_a_body_has_a_size_also_when_it_does_not_say_so(world: AdminWorld) -> None:
    big = json.dumps({"name": "x" * asking.MAX_BODY_BYTES}).encode()
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for start in range(0, 100 * 65536, 16384):
            sent = start
            yield b"[" * 16384

    responses = [await world.ask("POST", APPS, content=big)]
    headers = {"authorization": f"Bearer {world.tokens['admin']}", "content-type": "application/json"}
    responses.append(await world.client.post(APPS, content=chunks(), headers=headers))
    for response in responses:
        assert (response.status_code, code(response)) == (413, "body_too_large")


async def test_a_body_has_to_arrive(world: AdminWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "BODY_SECONDS", 0.05)
    answer: dict[str, object] = {}

    async def receive() -> dict[str, object]:
        import asyncio

        await asyncio.sleep(3600)
        raise AssertionError

    async def send(message: dict[str, object]) -> None:
        answer.setdefault(str(message["type"]), message.get("status"))

    headers = [
        (b"host", b"localhost"), (b"content-type", b"application/json"),
        (b"authorization", f"Bearer {world.tokens['admin']}".encode()),
    ]  # fmt: skip
    scope = {
        "type": "http", "method": "POST", "path": APPS, "raw_path": APPS.encode(), "query_string": b"",
        "headers": headers, "client": ("192.0.2.7", 1),
    }  # fmt: skip
    await world.app(scope, receive, send)  # type: ignore[arg-type]  # the shapes of ASGI
    assert answer["http.response.start"] == 408


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"), ({"name": 1}, "name"), ({"name": None}, "name"), ({"name": ""}, "name"),
        ({"name": "x", "id": "app_1"}, "id"),
        ({"name": "x", "status": "disabled"}, "status"), ({"name": "x", "created_by": "cli:root"}, "created_by"),
        ({"name": "x", "plan": "gold"}, "plan"), ({"name": "\x1b[2J"}, "name"), ({"name": "x" * 201}, "name"),
        ({"name": "x", "owner": ["a"]}, "owner"),
    ],
)  # fmt: skip
async def test_a_field_of_an_app_that_cannot_be_is_named(world: AdminWorld, body: object, field: str) -> None:
    response = await world.ask("POST", APPS, body)
    assert (response.status_code, code(response)) == (422, "invalid_input")
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert not world.memory._apps


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"digest": "x"}, "digest"), ({"status": "active"}, "status"), ({"id": "x"}, "id"), ({"app_id": "x"}, "app_id"),
        ({"environment": "test"}, "environment"), ({"last_used_at": None}, "last_used_at"), ({"key": "x"}, "key"),
        ({"scopes": "orders:read"}, "scopes"), ({"scopes": ["*"]}, "scopes"), ({"scopes": [1]}, "scopes[0]"),
        ({"scopes": None}, "scopes"), ({"roles": ["a b"]}, "roles"),
        ({"allow_networks": ["10.0.0.5/8"]}, "allow_networks"),
        ({"allow_networks": ["0.0.0.0/0"]}, "allow_networks"), ({"expires_in": "-1d"}, "expires_in"),
        ({"expires_at": "tomorrow"}, "expires_at"), ({"expires_in": "1d", "expires_at": None}, "expires_in"),
        ({"metadata": {"a": 1}}, "metadata.a"), ({"allow_requests": ["GET v1"]}, "allow_requests"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"), ({"scopes": ["a"] * 101}, "scopes"),
    ],
)  # fmt: skip
async def test_a_field_of_a_key_that_cannot_be_is_named_and_nothing_changes(
    world: AdminWorld, change: object, field: str
) -> None:
    key = await world.a_key(await world.an_app())
    response = await world.ask("PATCH", f"{KEYS}/{key.record.id}", change)
    assert (response.status_code, code(response)) == (422, "invalid_input")
    assert response.json()["errors"][0]["field"] == field
    assert list(world.memory._keys.values()) == [key.record]


async def test_host_bits_are_explained(world: AdminWorld) -> None:
    app = await world.an_app()
    response = await world.ask("POST", KEYS, {"app_id": app.id, "allow_networks": ["10.0.0.5/8"]})
    assert "has host bits set" in response.json()["errors"][0]["message"]


async def test_null_takes_an_end_away_and_what_is_not_given_stays(world: AdminWorld) -> None:
    app = await world.an_app()
    created = (await world.ask("POST", KEYS, {"app_id": app.id, "expires_in": "1d", "scopes": ["a"]})).json()
    assert created["expires_at"] is not None
    changed = (await world.ask("PATCH", f"{KEYS}/{created['id']}", {"expires_at": None})).json()
    assert (changed["expires_at"], changed["scopes"]) == (None, ["a"])


@pytest.mark.parametrize("content", [None, b"", b"{}"])
async def test_a_change_of_state_needs_no_body(world: AdminWorld, content: bytes | None) -> None:
    app = await world.an_app()
    assert (await world.ask("POST", f"{APPS}/{app.id}/disable", content=content)).status_code == 200
    refused = await world.ask("POST", f"{APPS}/{app.id}/disable", {"force": True})
    assert refused.status_code == 422


@pytest.mark.parametrize(
    "body",
    [{}, {"jti": "a", "subject": "b"}, {"token": "x", "issuer": "corp"}, {"jti": "a", "issuer": "other"},
     {"jti": "gwk_live_000000000000_00000000"}, {"subject": "gwadm_000000000000_00000000"}, {"token": "gwadm_x"}],
)  # fmt: skip
async def test_tokens_that_cannot_be_meant_are_not_revoked(world: AdminWorld, body: object) -> None:
    response = await world.ask("POST", "/api/v1/tokens/revoke", body)
    assert (response.status_code, code(response)) == (422, "invalid_input")
    assert not world.memory._revocations
