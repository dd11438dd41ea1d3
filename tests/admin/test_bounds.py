"""What an admin may hand on, and what a developer finds: nobody rises by making or changing a key."""

from __future__ import annotations

import pytest

from gateway_auth.core.keys import AppRecord
from gateway_auth.core.usage import UsageBatch
from gateway_auth.lifecycle.admission import MAX_NOTED
from gateway_auth.lifecycle.create_key import CreatedKey
from gateway_auth.lifecycle.key_fields import KeyFields
from tests.admin.world import SHELL, AdminWorld, code

KEYS, APPS = "/api/v1/keys", "/api/v1/apps"


@pytest.fixture
async def own(world: AdminWorld) -> AppRecord:
    """An app of the developer, who may hand on orders:read and no role."""
    return await world.an_app("dev")


@pytest.mark.parametrize(
    "rights",
    [{"scopes": ["orders:write"]}, {"scopes": ["orders:*"]}, {"scopes": ["orders:read", "x"]}, {"roles": ["reader"]},
     {"scopes": ["orders:read"], "roles": ["admin"]}],
)  # fmt: skip
async def test_rights_one_does_not_have_are_not_handed_on(
    world: AdminWorld, own: AppRecord, rights: dict[str, object]
) -> None:
    key = await world.a_key(own)
    path = f"{KEYS}/{key.record.id}"
    asked = [("POST", KEYS, {"app_id": own.id, **rights}), ("PATCH", path, rights), ("POST", f"{path}/rotate", rights)]
    for method, where, body in asked:
        response = await world.ask(method, where, body, role="developer")
        assert (response.status_code, code(response)) == (403, "not_permitted")
    assert list(world.memory._keys.values()) == [key.record]
    assert [event.outcome for event in world.memory.audit[-3:]] == ["denied"] * 3


async def test_a_scope_one_does_not_have_is_not_granted_for_a_time(world: AdminWorld, own: AppRecord) -> None:
    key = await world.a_key(own)
    body = {"scope": "orders:write", "expires_in": "1h"}
    response = await world.ask("POST", f"{KEYS}/{key.record.id}/grant", body, role="developer")
    assert response.status_code == 403


async def test_a_stronger_key_in_ones_own_app_can_be_stopped_and_nothing_else(
    world: AdminWorld, own: AppRecord
) -> None:
    strong = await world.keys.create(
        SHELL, own.id, "live", KeyFields(scopes=["orders:*"], allow_networks=["10.0.0.0/8"])
    )
    path = f"{KEYS}/{strong.record.id}"
    for method, end, body in (
        ("POST", "/rotate", {}), ("PATCH", "", {"allow_networks": []}),
        ("PATCH", "", {"expires_at": None, "name": "x"}),
    ):  # fmt: skip
        assert (await world.ask(method, path + end, body, role="developer")).status_code == 403
    assert (await world.ask("POST", f"{path}/disable", role="developer")).status_code == 200
    assert (await world.ask("POST", f"{path}/enable", role="developer")).status_code == 403
    more = {"scopes": ["orders:*", "admin"]}
    assert (await world.ask("PATCH", path, more, role="developer")).status_code == 403
    assert (await world.ask("POST", f"{path}/revoke", role="developer")).status_code == 200
    assert (await world.ask("DELETE", path, role="developer")).status_code == 204


async def test_a_weaker_key_can_be_made_of_a_stronger_one(world: AdminWorld, own: AppRecord) -> None:
    strong = await world.a_key(own, "orders:*")
    path = f"{KEYS}/{strong.record.id}"
    assert (await world.ask("PATCH", path, {"scopes": ["orders:read"]}, role="developer")).status_code == 200


async def test_a_developers_app_is_its_own(world: AdminWorld, own: AppRecord) -> None:
    created = (await world.ask("POST", APPS, {"name": "new"}, role="developer")).json()
    assert created["owner"] == "dev"
    for body in ({"name": "x", "owner": "somebody"}, {"name": "x", "owner": ""}, {"name": "x", "plan": "free"}):
        assert (await world.ask("POST", APPS, body, role="developer")).status_code == 403
    for change in ({"owner": "somebody"}, {"plan": "free"}):
        assert (await world.ask("PATCH", f"{APPS}/{own.id}", change, role="developer")).status_code == 403
    assert world.memory._apps[own.id] == own
    assert (
        await world.ask("PATCH", f"{APPS}/{own.id}", {"owner": "dev", "name": "y"}, role="developer")
    ).status_code == 200


async def test_bounds_hold_for_operators_too(world: AdminWorld) -> None:
    issued = await world.admins.create(SHELL, "bounded", "operator", ["orders:*"], ["reader"])
    world.tokens["bounded"] = issued.text
    app = await world.an_app()
    for body, status in (
        ({"scopes": ["orders:read", "orders:*"], "roles": ["reader"]}, 201),
        ({"scopes": ["order:read"]}, 403),
        ({"scopes": ["billing:read"]}, 403),
        ({"roles": ["admin"]}, 403),
    ):
        response = await world.ask("POST", KEYS, {"app_id": app.id, **body}, role="bounded")
        assert response.status_code == status, body


async def test_what_a_developer_does_not_see_is_as_if_it_were_not_there(world: AdminWorld, own: AppRecord) -> None:
    foreign = await world.an_app("somebody")
    key: CreatedKey = await world.a_key(foreign)
    there, nowhere = f"{KEYS}/{key.record.id}", f"{KEYS}/000000000000"
    for method, end, body in (
        ("GET", "", None), ("PATCH", "", {"name": "x"}), ("DELETE", "", None), ("POST", "/rotate", {}),
        ("POST", "/disable", None), ("POST", "/revoke", None), ("POST", "/grant", {"scope": "a", "expires_in": "1h"}),
    ):  # fmt: skip
        one, other = [await world.ask(method, path + end, body, role="developer") for path in (there, nowhere)]
        assert (one.status_code, one.json()["detail"]) == (404, other.json()["detail"])
    checked = await world.ask("POST", f"{KEYS}/verify", {"key": key.text}, role="developer")
    assert checked.json() == {"outcome": "unknown_key", "usable": False, "id": key.record.id}
    for question in ({"key_id": key.record.id}, {"app_id": foreign.id}):
        assert (await world.ask("GET", "/api/v1/usage", role="developer", params=question)).status_code == 404
    assert (await world.ask("GET", "/api/v1/usage", role="developer", params={"app_id": own.id})).json() == []


async def test_a_developer_is_told_of_own_keys_that_behave_unlike_themselves(world: AdminWorld, own: AppRecord) -> None:
    keys = [await world.a_key(own), await world.a_key(await world.an_app("somebody"))]
    hour_ago = int(world.clock.now()) - 600
    counts = {(key.record.id, "orders", 4): 80 for key in keys}
    await world.memory.add_usage(UsageBatch(hour_ago, counts, {}))
    found = (await world.ask("GET", f"{KEYS}/review", role="developer")).json()
    assert [(one["key_id"], one["kind"]) for one in found] == [(keys[0].record.id, "refusals")]
    assert found[0]["reason"] == "80 of 80 answers in the last hour were 4xx; in the 7 days before 0 of 0"
    assert len((await world.ask("GET", f"{KEYS}/review", role="auditor")).json()) == 2
    assert len((await world.ask("GET", f"{KEYS}/review", params={"limit": 1})).json()) == 1


async def test_who_asks_for_the_forbidden_over_and_over_does_not_fill_the_audit(world: AdminWorld) -> None:
    before = len(world.memory.audit)
    for _ in range(MAX_NOTED + 5):
        assert (await world.ask("GET", "/api/v1/audit", role="developer")).status_code == 403
    assert len(world.memory.audit) - before == MAX_NOTED
    counted = (await world.ask("GET", "/metrics", role=None)).text
    assert f'operation="list_audit",status="403"}} {MAX_NOTED + 5}' in counted


async def test_a_secret_in_the_place_of_an_id_is_in_no_audit(world: AdminWorld, own: AppRecord) -> None:
    key = await world.a_key(own)
    for text in (key.text, key.text[:40], world.tokens["admin"]):
        assert (await world.ask("POST", f"{KEYS}/{text}/disable", role="auditor")).status_code == 403
    assert {event.object_id for event in world.memory.audit if event.outcome == "denied"} == {""}


async def test_a_key_is_not_moved_in_by_creating_it_in_a_foreign_app(world: AdminWorld) -> None:
    foreign = await world.an_app("somebody")
    response = await world.ask("POST", KEYS, {"app_id": foreign.id, "scopes": ["orders:read"]}, role="developer")
    assert response.status_code == 404
    assert not world.memory._keys


async def test_an_owner_that_is_empty_is_nobodys(world: AdminWorld) -> None:
    nobodys = await world.an_app("")
    assert (await world.ask("GET", f"{APPS}/{nobodys.id}", role="developer")).status_code == 404


@pytest.mark.parametrize("text", ["x", "gwk_live_000000000000_" + "0" * 38, "", "gwadm_x", "\x00"])
async def test_any_text_can_be_asked_about(world: AdminWorld, text: str) -> None:
    response = await world.ask("POST", f"{KEYS}/verify", {"key": text}, role="auditor")
    assert (response.status_code, response.json()["usable"]) == (200, False)
