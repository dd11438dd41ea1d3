"""`Idempotency-Key`: one object however often it is asked for, the same answer, and the secret kept nowhere."""

from __future__ import annotations

import asyncio

import pytest

from gateway_auth.core.creations import KEEP_SECONDS
from tests.admin.world import SHELL, AdminWorld, code

KEYS = "/api/v1/keys"
ONCE = {"idempotency-key": "7f3a-once"}


async def test_the_same_request_creates_one_key_and_gets_the_same_answer(world: AdminWorld) -> None:
    app = await world.an_app()
    body = {"app_id": app.id, "scopes": ["orders:read"]}
    first, *others = [await world.ask("POST", KEYS, body, headers=ONCE) for _ in range(3)]
    assert [one.status_code for one in (first, *others)] == [201] * 3
    assert {one.content for one in others} == {first.content}
    assert "idempotent-replayed" not in first.headers
    assert {one.headers["idempotent-replayed"] for one in others} == {"true"}
    assert {one.headers["etag"] for one in others} == {first.headers["etag"]}
    assert list(world.memory._keys) == [first.json()["id"]]
    assert (await world.keys.verify(first.json()["key"])).outcome == "valid"


async def test_two_at_once_create_one_key(world: AdminWorld) -> None:
    app = await world.an_app()
    asked = [world.ask("POST", KEYS, {"app_id": app.id}, headers=ONCE) for _ in range(8)]
    answers = await asyncio.gather(*asked)
    assert {one.json()["key"] for one in answers} == {answers[0].json()["key"]}
    assert len(world.memory._keys) == 1


async def test_the_first_answer_is_given_also_when_the_key_has_changed(world: AdminWorld) -> None:
    app = await world.an_app()
    first = await world.ask("POST", KEYS, {"app_id": app.id}, headers=ONCE)
    await world.keys.revoke(SHELL, first.json()["id"])
    assert (await world.ask("POST", KEYS, {"app_id": app.id}, headers=ONCE)).content == first.content
    await world.keys.delete(SHELL, first.json()["id"])
    assert (await world.ask("POST", KEYS, {"app_id": app.id}, headers=ONCE)).content == first.content


async def test_a_rotation_is_repeated_too_also_on_condition(world: AdminWorld) -> None:
    old = await world.a_key(await world.an_app())
    path = f"{KEYS}/{old.record.id}"
    headers = {**ONCE, "if-match": (await world.ask("GET", path)).headers["etag"]}
    first, second = [await world.ask("POST", f"{path}/rotate", {}, headers=headers) for _ in range(2)]
    assert first.status_code == 201
    assert first.content == second.content
    assert len(world.memory._keys) == 2
    assert first.json()["rotated_from"] == old.record.id
    assert (await world.keys.verify(second.json()["key"])).outcome == "valid"


async def test_an_app_is_created_once(world: AdminWorld) -> None:
    first, second = [await world.ask("POST", "/api/v1/apps", {"name": "shop"}, headers=ONCE) for _ in range(2)]
    assert first.content == second.content
    assert len(world.memory._apps) == 1


async def test_another_request_under_the_same_key_is_refused(world: AdminWorld) -> None:
    app = await world.an_app()
    await world.ask("POST", KEYS, {"app_id": app.id}, headers=ONCE)
    for path, body in ((KEYS, {"app_id": app.id, "name": "other"}), ("/api/v1/apps", {"name": "shop"})):
        response = await world.ask("POST", path, body, headers=ONCE)
        assert (response.status_code, code(response)) == (422, "idempotency_key_reused")
    assert len(world.memory._keys) == 1


async def test_the_keys_of_different_admins_are_apart(world: AdminWorld) -> None:
    app = await world.an_app()
    texts = [
        (await world.ask("POST", KEYS, {"app_id": app.id}, role=role, headers=ONCE)).json()["key"]
        for role in ("admin", "operator")
    ]
    assert texts[0] != texts[1]


async def test_a_request_that_failed_is_not_remembered(world: AdminWorld) -> None:
    app = await world.an_app()
    await world.apps.disable(SHELL, app.id)
    assert (await world.ask("POST", KEYS, {"app_id": app.id}, headers=ONCE)).status_code == 409
    await world.apps.enable(SHELL, app.id)
    assert (await world.ask("POST", KEYS, {"app_id": app.id}, headers=ONCE)).status_code == 201


async def test_after_a_day_it_is_another_request(world: AdminWorld) -> None:
    app = await world.an_app()
    first = await world.ask("POST", KEYS, {"app_id": app.id}, headers=ONCE)
    world.clock.seconds += KEEP_SECONDS + 1
    second = await world.ask("POST", KEYS, {"app_id": app.id}, headers=ONCE)
    assert first.json()["id"] != second.json()["id"]


async def test_with_a_new_token_the_secret_is_not_made_again(world: AdminWorld) -> None:
    app = await world.an_app()
    first = await world.ask("POST", KEYS, {"app_id": app.id}, headers=ONCE)
    world.tokens["admin"] = (await world.admins.rotate(SHELL, "admin")).text
    response = await world.ask("POST", KEYS, {"app_id": app.id}, headers=ONCE)
    assert (response.status_code, code(response)) == (409, "conflict")
    assert first.json()["id"] in response.json()["detail"]
    assert len(world.memory._keys) == 1


async def test_what_is_remembered_holds_no_secret(world: AdminWorld) -> None:
    app = await world.an_app()
    created = (await world.ask("POST", KEYS, {"app_id": app.id}, headers=ONCE)).json()
    secret = created["key"].split("_")[3]
    (kept,) = world.memory._creations
    shown = [kept.answer, kept.name, kept.request, kept.salt.hex(), *(str(event) for event in world.memory.audit)]
    for text in shown:
        assert secret not in text
        assert world.tokens["admin"] not in text
        assert "once" not in text


@pytest.mark.parametrize("value", ["", "a b", "x" * 256, "\x7f", "\xe4"])
async def test_an_idempotency_key_has_a_form(world: AdminWorld, value: str) -> None:
    response = await world.ask("POST", "/api/v1/apps", {"name": "x"}, headers={"idempotency-key": value})
    assert (response.status_code, code(response)) == (400, "malformed_request")
    assert not world.memory._apps
