"""What operators are told about a text that may be a key."""

from hashlib import sha512

import pytest

from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.core.keys import AppRecord
from gateway_auth.lifecycle.create_key import CreatedKey
from gateway_auth.lifecycle.import_keys import Entry, ImportKeys
from gateway_auth.lifecycle.key_fields import KeyFields
from gateway_auth.lifecycle.keys import ManageKeys
from gateway_auth.lifecycle.verify_key import KeyCheck, check_view
from tests.lifecycle.world import ACTOR, NOW, PEPPER, World

IMPORTED = "sk_live_0123456789abcdef"


async def view(world: World, text: str) -> dict[str, object]:
    return check_view(await world.keys.verify(text), world.clock.now())


async def test_a_good_key_is_shown_without_its_secret(world: World, created: CreatedKey) -> None:
    shown = await view(world, f"  {created.text}\n")
    assert (shown["outcome"], shown["usable"], shown["app_status"]) == ("valid", True, "active")
    assert (shown["id"], shown["status"], shown["scopes"]) == (created.record.id, "active", ["orders:read"])
    assert created.text[-38:] not in repr(shown)


@pytest.mark.parametrize("text", ["", "hello", "gwk_live_short", "\ud800", "a\0b", "gwk_live_" + "a" * 51])
async def test_what_is_no_key_of_ours_is_said_so(world: World, text: str) -> None:
    assert await world.keys.verify(text) == KeyCheck("not_a_key")


async def test_a_changed_character_is_no_key(world: World, created: CreatedKey) -> None:
    last = "0" if created.text[-1] != "0" else "1"
    assert (await world.keys.verify(created.text[:-1] + last)).outcome == "not_a_key"


async def test_a_deleted_key_is_unknown(world: World, created: CreatedKey) -> None:
    await world.keys.delete(ACTOR, created.record.id)
    assert await world.keys.verify(created.text) == KeyCheck("unknown_key", created.record.id)


async def test_a_well_formed_key_with_another_secret_is_told_apart(world: World, app: AppRecord) -> None:
    world.random.numbers = [7, 1]
    await world.keys.create(ACTOR, app.id, "live", KeyFields())
    forged = KeyFormat().mint("live", 7, 2).text
    assert await world.keys.verify(forged) == KeyCheck("wrong_secret", "000000000007")
    assert await view(world, forged) == {"outcome": "wrong_secret", "usable": False, "id": "000000000007"}


async def test_a_key_of_a_previous_pepper_is_good_and_of_a_forgotten_one_is_not(
    world: World, created: CreatedKey
) -> None:
    for previous, outcome in (([PEPPER], "valid"), ([], "wrong_secret")):
        peppers = PepperRing(b"n" * 32, previous)
        keys = ManageKeys(world.registry, world.clock, world.random, key_format=KeyFormat(), peppers=peppers)
        assert (await keys.verify(created.text)).outcome == outcome


async def test_a_good_key_that_cannot_be_used_says_so(world: World, app: AppRecord, created: CreatedKey) -> None:
    later = await world.keys.create(
        ACTOR, app.id, "live", KeyFields(not_before="2030-01-01T00:00:00Z", expires_in="2000d")
    )
    ending = await world.keys.create(ACTOR, app.id, "live", KeyFields(expires_in="1h"))
    assert (await view(world, later.text))["usable"] is False
    world.clock.seconds = NOW + 3600
    assert (await view(world, ending.text))["status"] == "expired"
    assert (await view(world, ending.text))["usable"] is False
    await world.keys.disable(ACTOR, created.record.id)
    assert (await view(world, created.text))["usable"] is False
    await world.keys.enable(ACTOR, created.record.id)
    await world.apps.disable(ACTOR, app.id)
    shown = await view(world, created.text)
    assert (shown["status"], shown["app_status"], shown["usable"]) == ("active", "disabled", False)


@pytest.mark.parametrize("fields", [{"key": IMPORTED}, {"hash": sha512(IMPORTED.encode()).hexdigest()}])
async def test_an_imported_key_is_known_where_such_keys_are_accepted(
    world: World, app: AppRecord, fields: dict[str, str]
) -> None:
    key_id = await imported(world, app, fields | ({"hash_kind": "sha512"} if "hash" in fields else {}))
    accepting = keys_of(world, accepts_imported=True)
    shown = check_view(await accepting.verify(f" {IMPORTED}\n"), world.clock.now())
    assert (shown["outcome"], shown["usable"], shown["id"]) == ("valid", True, key_id)
    assert await accepting.verify(IMPORTED[:-1]) == KeyCheck("not_a_key")
    assert await world.keys.verify(IMPORTED) == KeyCheck("not_a_key")
    await world.keys.revoke(ACTOR, key_id)
    assert not check_view(await accepting.verify(IMPORTED), world.clock.now())["usable"]


async def test_of_an_imported_key_with_a_slow_hash_nothing_is_said(world: World, app: AppRecord) -> None:
    bcrypt = {"hash": "$2b$12$" + "a" * 53, "hash_kind": "bcrypt", "start": IMPORTED[:10]}
    await imported(world, app, bcrypt)
    assert await keys_of(world, accepts_imported=True).verify(IMPORTED) == KeyCheck("not_a_key")


def keys_of(world: World, *, accepts_imported: bool) -> ManageKeys:
    return ManageKeys(
        world.registry, world.clock, world.random,
        key_format=KeyFormat(), peppers=world.peppers, accepts_imported=accepts_imported,
    )  # fmt: skip


async def imported(world: World, app: AppRecord, fields: dict[str, str]) -> str:
    """The id of an imported key."""
    imports = ImportKeys(world.registry, world.clock, world.random, key_format=KeyFormat(), peppers=world.peppers)
    prepared, problems = imports.prepare(ACTOR, app.id, [Entry(1, fields)], "")
    assert problems == []
    (record,) = (await imports.run(ACTOR, app.id, prepared)).records
    return record.id
