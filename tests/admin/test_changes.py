"""ETag and If-Match: nobody overwrites what somebody else has changed in the meantime."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from tests.admin.world import SHELL, AdminWorld, code


async def test_a_change_on_condition_is_made_while_the_object_is_the_same(world: AdminWorld) -> None:
    key = await world.a_key(await world.an_app())
    path = f"/api/v1/keys/{key.record.id}"
    seen = (await world.ask("GET", path)).headers["etag"]
    changed = await world.ask("PATCH", path, {"name": "a"}, headers={"if-match": seen})
    assert changed.status_code == 200
    assert changed.headers["etag"] != seen
    assert (await world.ask("GET", path)).headers["etag"] == changed.headers["etag"]


@pytest.mark.parametrize(
    ("method", "end", "body"),
    [
        ("PATCH", "", {"name": "b"}), ("DELETE", "", None), ("POST", "/disable", {}), ("POST", "/revoke", {}),
        ("POST", "/rotate", {}), ("POST", "/grant", {"scope": "orders:read", "expires_in": "1h"}),
    ],
)  # fmt: skip
async def test_a_key_that_was_changed_meanwhile_is_left_alone(
    world: AdminWorld, method: str, end: str, body: object
) -> None:
    key = await world.a_key(await world.an_app())
    path = f"/api/v1/keys/{key.record.id}"
    seen = (await world.ask("GET", path)).headers["etag"]
    await world.ask("PATCH", path, {"name": "a"})
    before = dict(world.memory._keys)
    response = await world.ask(method, path + end, body, headers={"if-match": seen})
    assert (response.status_code, code(response)) == (412, "precondition_failed")
    assert world.memory._keys == before


async def test_of_many_who_saw_the_same_one_wins(world: AdminWorld) -> None:
    app = await world.an_app()
    path = f"/api/v1/apps/{app.id}"
    headers = {"if-match": (await world.ask("GET", path)).headers["etag"]}
    asked = [world.ask("PATCH", path, {"name": f"n{number}"}, headers=headers) for number in range(8)]
    assert sorted(one.status_code for one in await asyncio.gather(*asked)) == [200, *[412] * 7]


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("*", 200), ('"other", {}', 200), ('{},"other"', 200), ('"other"', 412), ("W/{}", 412), ("{}x", 400),
        ("etag", 400), ("", 400), ('"a" "b"', 400), ('"' + "a" * 5000 + '"', 400),
    ],
)  # fmt: skip
async def test_the_form_of_a_condition(world: AdminWorld, value: str, status: int) -> None:
    app = await world.an_app()
    path = f"/api/v1/apps/{app.id}"
    tag = (await world.ask("GET", path)).headers["etag"]
    response = await world.ask("PATCH", path, {"name": "x"}, headers={"if-match": value.replace("{}", tag)})
    assert response.status_code == status


async def test_what_is_not_there_is_not_found_whatever_the_condition(world: AdminWorld) -> None:
    foreign = await world.an_app("somebody")
    for role, app_id in (("admin", "app_0"), ("developer", foreign.id)):
        response = await world.ask("DELETE", f"/api/v1/apps/{app_id}", role=role, headers={"if-match": '"x"'})
        assert (response.status_code, code(response)) == (404, "not_found")


async def test_the_use_of_a_key_is_no_change_of_it(world: AdminWorld) -> None:
    key = await world.a_key(await world.an_app())
    path = f"/api/v1/keys/{key.record.id}"
    seen = (await world.ask("GET", path)).headers["etag"]
    async with world.registry.transaction() as transaction:
        await transaction.keys.save(replace(key.record, last_used_at=7, last_used_address="192.0.2.1"))
    response = await world.ask("GET", path)
    assert (response.headers["etag"], response.json()["last_used_address"]) == (seen, "192.0.2.1")
    assert (await world.ask("POST", f"{path}/disable", headers={"if-match": seen})).status_code == 200


async def test_states_come_and_go_as_on_the_command_line(world: AdminWorld) -> None:
    app = await world.an_app()
    key = (await world.ask("POST", "/api/v1/keys", {"app_id": app.id, "expires_in": "90d"})).json()
    path = f"/api/v1/keys/{key['id']}"
    states = []
    for end in ("disable", "enable", "revoke", "revoke", "enable"):
        response = await world.ask("POST", f"{path}/{end}")
        states.append(response.json()["status"])
    assert states == ["disabled", "active", "revoked", "revoked", 409]
    assert (await world.ask("DELETE", path)).status_code == 204
    assert (await world.ask("GET", path)).status_code == 404
    assert {event.actor for event in world.memory.audit if event.object_kind == "key"} == {"admin:admin"}
    assert SHELL.name not in {event.actor for event in world.memory.audit[-5:]}


async def test_who_has_the_object_as_it_is_gets_no_second_copy(world: AdminWorld) -> None:
    app = await world.an_app()
    path = f"/api/v1/apps/{app.id}"
    seen = (await world.ask("GET", path)).headers["etag"]
    for value, status in (
        (seen, 304),
        (f"W/{seen}", 304),
        (f'"other", {seen}', 304),
        ("*", 304),
        ('"other"', 200),
        ("?", 200),
    ):
        for method in ("GET", "HEAD"):
            response = await world.ask(method, path, headers={"if-none-match": value})
            assert (response.status_code, response.headers["etag"]) == (status, seen)
            assert bool(response.content) == (status == 200 and method == "GET")
    await world.ask("PATCH", path, {"name": "a"})
    assert (await world.ask("GET", path, headers={"if-none-match": seen})).status_code == 200
    assert (await world.ask("GET", path, role=None, headers={"if-none-match": "*"})).status_code == 401
