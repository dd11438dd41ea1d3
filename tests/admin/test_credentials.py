"""Who is let in: admin tokens and nothing else, until the moment they are taken away."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gateway_auth.core.admins import mint_token, parse_admin_id
from gateway_auth.core.keyformat import SECRETS
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.errors import StoreUnavailable
from gateway_auth.lifecycle.admission import MAX_NOTED, Admission
from tests.admin.world import SHELL, AdminWorld, code
from tests.lifecycle.world import PEPPER

APPS = "/api/v1/apps"


async def answer(world: AdminWorld, authorization: str) -> tuple[int, str, str]:
    response = await world.ask("GET", APPS, role=None, headers={"authorization": authorization})
    return response.status_code, code(response), response.headers.get("www-authenticate", "")


async def test_without_a_credential_the_challenge_has_no_error(world: AdminWorld) -> None:
    response = await world.ask("GET", APPS, role=None)
    assert (response.status_code, code(response)) == (401, "credential_required")
    assert response.headers["www-authenticate"] == 'Bearer realm="gateway admin"'


@pytest.mark.parametrize(
    "authorization",
    [
        "", "Bearer", "Bearer ", "Basic YTpi", "gwadm_x", "Bearer gwadm_x", "Bearer a b", "Bearer a,b",
        "Bearer eyJhbGciOiJub25lIn0.e30.", "ApiKey gwk_live_x", "Bearer \xe4", "Bearer gwadm_" + "0" * 8000,
    ],
)  # fmt: skip
async def test_garbage_is_refused_without_asking_the_store(
    world: AdminWorld, authorization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never() -> None:
        raise AssertionError("the store was asked")

    monkeypatch.setattr(world.memory, "reading", never)
    status, reason, challenge = await answer(world, authorization)
    assert (status, reason) == (401, "invalid_credential")
    assert challenge == 'Bearer realm="gateway admin", error="invalid_token"'


async def test_a_key_of_the_data_plane_is_refused_wherever_it_stands(world: AdminWorld) -> None:
    key = await world.a_key(await world.an_app())
    assert (await answer(world, f"Bearer {key.text}"))[:2] == (401, "invalid_credential")
    for headers in ({"x-api-key": key.text}, {"x-api-key": world.tokens["admin"]}):
        response = await world.ask("GET", APPS, role=None, headers=headers)
        assert (response.status_code, code(response)) == (401, "credential_required")
    response = await world.ask("GET", APPS, role=None, params={"access_token": world.tokens["admin"]})
    assert response.status_code == 401


async def test_two_credentials_are_refused(world: AdminWorld) -> None:
    token = f"Bearer {world.tokens['admin']}"
    response = await world.client.get(APPS, headers=[("authorization", token), ("authorization", token)])
    assert (response.status_code, code(response)) == (400, "ambiguous_credentials")


async def test_the_scheme_has_no_case(world: AdminWorld) -> None:
    for scheme in ("bearer", "BEARER", "Bearer  "):
        response = await world.ask(
            "GET", APPS, role=None, headers={"authorization": f"{scheme} {world.tokens['auditor']}"}
        )
        assert response.status_code == 200


async def test_a_disabled_admin_is_refused_on_the_next_request_and_told_so(world: AdminWorld) -> None:
    assert (await world.ask("GET", APPS, role="operator")).status_code == 200
    await world.admins.disable(SHELL, "operator")
    response = await world.ask("GET", APPS, role="operator")
    assert (response.status_code, code(response)) == (401, "credential_disabled")
    await world.admins.enable(SHELL, "operator")
    assert (await world.ask("GET", APPS, role="operator")).status_code == 200


async def test_a_new_token_takes_the_place_of_the_old_one(world: AdminWorld) -> None:
    issued = await world.admins.rotate(SHELL, "operator")
    assert (await answer(world, f"Bearer {world.tokens['operator']}"))[:2] == (401, "invalid_credential")
    world.tokens["operator"] = issued.text
    assert (await world.ask("GET", APPS, role="operator")).status_code == 200


async def test_an_unknown_id_and_a_wrong_secret_are_told_alike_and_the_second_is_in_the_audit(
    world: AdminWorld,
) -> None:
    right = world.tokens["admin"]
    admin_id = parse_admin_id(right.encode())
    assert admin_id is not None
    before = len(world.memory.audit)
    answers = [await answer(world, f"Bearer {mint_token(one, 7 * SECRETS // 9)}") for one in ("0000000000zz", admin_id)]
    assert answers[0] == answers[1]
    (noted,) = world.memory.audit[before:]
    assert (noted.action, noted.outcome, noted.object_id) == ("admin.authenticate", "denied", admin_id)
    assert noted.address == "192.0.2.7"


async def test_only_so_many_refusals_a_minute_are_noted(world: AdminWorld) -> None:
    admission = Admission(world.registry, world.peppers, world.clock)
    wrong = mint_token(parse_admin_id(world.tokens["admin"].encode()) or "", 1)
    before = len(world.memory.audit)
    for _ in range(MAX_NOTED + 5):
        refused = await admission.admit(wrong.encode(), request_id="r", address=None)
        await admission.note_refused(refused, request_id="r", address=None)  # type: ignore[arg-type] # it is refused
    assert len(world.memory.audit) - before == MAX_NOTED


async def test_guessing_is_slowed_down_by_address(world: AdminWorld) -> None:
    for _ in range(20):
        assert (await answer(world, "Bearer gwadm_x"))[0] == 401
    response = await world.ask("GET", APPS)
    assert (response.status_code, code(response)) == (429, "too_many_failures")
    assert int(response.headers["retry-after"]) >= 1
    world.clock.seconds += 61
    assert (await world.ask("GET", APPS)).status_code == 200


async def test_no_credential_is_no_guess(world: AdminWorld) -> None:
    for _ in range(30):
        await world.ask("GET", APPS, role=None)
    assert (await world.ask("GET", APPS)).status_code == 200


async def test_a_token_is_digested_anew_under_the_current_pepper(world: AdminWorld) -> None:
    fresh = bytes(reversed(PEPPER))
    token = world.tokens["admin"].encode()
    both = Admission(world.registry, PepperRing(fresh, [PEPPER]), world.clock)
    for peppers in (both, Admission(world.registry, PepperRing(fresh), world.clock)):
        actor = await peppers.admit(token, request_id="r", address=None)
        assert getattr(actor, "name", "") == "admin"
    assert await Admission(world.registry, PepperRing(PEPPER), world.clock).admit(
        token, request_id="r", address=None
    ) == await both.admit(mint_token(parse_admin_id(token) or "", 1).encode(), request_id="r", address=None)


async def test_an_outage_of_the_store_is_no_refusal(world: AdminWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> None:
        raise StoreUnavailable("the store at postgresql://secret-host is away")

    monkeypatch.setattr(world.memory, "reading", down)
    response = await world.ask("GET", APPS)
    assert (response.status_code, code(response)) == (503, "dependency_unavailable")
    assert response.headers["retry-after"] == "1"
    assert "secret-host" not in response.text


async def test_a_change_by_who_was_disabled_a_moment_ago_is_refused(
    world: AdminWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    admit = Admission.admit

    async def admit_and_disable(self: Admission, presented: bytes, **more: str) -> object:
        found = await admit(self, presented, request_id=more["request_id"], address=None)
        await world.admins.disable(SHELL, "operator")
        return found

    monkeypatch.setattr(Admission, "admit", admit_and_disable)
    response = await world.ask("POST", APPS, {"name": "late"}, role="operator")
    assert (response.status_code, code(response)) == (403, "not_permitted")
    assert not world.memory._apps


async def test_a_role_taken_down_a_moment_ago_does_not_count(
    world: AdminWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    admit = Admission.admit

    async def admit_and_demote(self: Admission, presented: bytes, **more: str) -> object:
        found = await admit(self, presented, request_id=more["request_id"], address=None)
        (admin,) = [one for one in world.memory._admins.values() if one.name == "operator"]
        world.memory._admins[admin.id] = replace(admin, role="auditor")
        return found

    monkeypatch.setattr(Admission, "admit", admit_and_demote)
    response = await world.ask("POST", APPS, {"name": "late"}, role="operator")
    assert (response.status_code, code(response)) == (403, "not_permitted")
