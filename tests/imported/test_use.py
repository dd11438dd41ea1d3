"""From an entry to an answer: keys of every kind verify, are upgraded at their first use, and still verify."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway_auth.core.imported import text_message
from gateway_auth.lifecycle.key_fields import KeyFields
from tests.adapters.stores import query, sqlite_file
from tests.asgi.raw import call, get, http_scope
from tests.imported.foreign import KEPT, argon2id, text
from tests.imported.site import ACTOR, LATER_PEPPER, PEPPER, Site, ask


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path)
    await site.open()
    try:
        yield site
    finally:
        await site.store.close()


async def test_a_token_of_an_admin_is_no_key_though_its_hash_was_imported(site: Site) -> None:
    token = "gwadm_0123456789ab_0123456789abcdefghijklmnopqrstuvwxyzAB"
    await site.add(KEPT["sha256-hex"](token))
    async with site.gateway() as app:
        assert (await ask(app, token)).refusal == (401, "invalid_credential")


@pytest.mark.parametrize("kind", KEPT)
async def test_a_key_verifies_is_upgraded_and_still_verifies(site: Site, kind: str) -> None:
    key = text(kind)
    (record,) = await site.add(KEPT[kind](key))
    async with site.gateway() as app:
        for _ in range(2):
            answer = await ask(app, key)
            assert (answer.status, answer.body.decode()) == (200, record.id)
        assert (await ask(app, f"{key}x")).refusal == (401, "invalid_credential")
        await site.until(lambda: site.kept()[0].hash_kind is None)
    (kept,) = site.kept()
    upgraded = await site.keys.get(record.id)
    assert (kept.hash, kept.lookup) == ("", site.ring.digest(text_message(key.encode())))
    assert site.ring.verify(key.encode(), upgraded.digest, upgraded.pepper_id)
    unused = replace(upgraded, digest=b"", last_used_at=None, last_used_address=None)
    assert unused == replace(record, digest=b"")
    async with site.gateway() as app:
        assert (await ask(app, key)).status == 200
        assert (await ask(app, f"{key}x")).status == 401


@pytest.mark.parametrize("kind", KEPT)
async def test_nothing_in_the_store_is_a_key_or_a_fast_hash_of_one(site: Site, kind: str) -> None:
    entry = KEPT[kind](text(kind))
    await site.add(entry)
    content = b"".join(file.read_bytes() for file in site.directory.glob("gateway.db*"))
    assert text(kind).encode() not in content
    for spelled in (entry.get("hash", "no hash"), entry.get("start", "no start")):
        assert (spelled.encode() in content) is spelled.startswith("$")


@pytest.mark.parametrize("kind", ["raw", "sha256-hex", "argon2id"])
async def test_what_is_done_to_a_key_is_in_force_as_for_any_other(site: Site, kind: str) -> None:
    key = text(kind)
    (record,) = await site.add(KEPT[kind](key))
    async with site.gateway(cache_seconds=0) as app:
        assert (await ask(app, key)).status == 200
        await site.keys.disable(ACTOR, record.id)
        assert (await ask(app, key)).refusal == (401, "credential_disabled")
        await site.keys.enable(ACTOR, record.id)
        assert (await ask(app, key)).status == 200
        await site.keys.revoke(ACTOR, record.id)
        assert (await ask(app, key)).refusal == (401, "credential_revoked")
        await site.keys.delete(ACTOR, record.id, force=True)
        assert (await ask(app, key)).refusal == (401, "invalid_credential")
    assert site.kept() == []


async def test_where_they_are_not_accepted_imported_keys_are_no_keys(site: Site) -> None:
    await site.add(KEPT["raw"](text("a")))
    async with site.gateway(accept_imported=False) as app:
        assert (await ask(app, text("a"))).refusal == (401, "invalid_credential")


async def test_keys_of_ours_work_beside_them_and_never_by_the_text_of_another(site: Site) -> None:
    created = await site.keys.create(ACTOR, site.app_id, "live", KeyFields())
    (record,) = await site.add(KEPT["raw"](text("a")))
    forged = created.text.replace(created.record.id, record.id)
    async with site.gateway() as app:
        assert (await ask(app, created.text)).body.decode() == created.record.id
        assert (await ask(app, text("a"))).body.decode() == record.id
        assert (await ask(app, forged)).status == 401
        assert (await ask(app, record.id)).status == 401


@pytest.mark.parametrize("scheme", ["Bearer", "ApiKey", "bearer"])
async def test_a_key_may_come_as_it_came_before(site: Site, scheme: str) -> None:
    await site.add(KEPT["sha256-base64"](text("a")))
    async with site.gateway(headers=["apikey"]) as app:
        for headers in ([("authorization", f"{scheme} {text('a')}")], [("apikey", text("a"))]):
            assert (await get(app, "/", headers=headers)).status == 200
        both = [("authorization", f"{scheme} {text('a')}"), ("apikey", text("a"))]
        assert (await call(app, http_scope("GET", "/", both))).refusal == (400, "ambiguous_credentials")
        wrong = [("authorization", f"{scheme} {text('b')}")]
        assert (await get(app, "/", headers=wrong)).refusal == (401, "invalid_credential")


async def test_a_pepper_can_be_replaced(site: Site) -> None:
    for kind in ("raw", "sha512-hex", "argon2id"):
        await site.add(KEPT[kind](text(kind)))
    site.peppers = [LATER_PEPPER, PEPPER]
    async with site.gateway() as app:
        for kind in ("raw", "sha512-hex", "argon2id"):
            assert (await ask(app, text(kind))).status == 200
        await site.until(lambda: {kept.pepper_id for kept in site.kept()} == {site.ring.current_id})
    site.peppers = [LATER_PEPPER]
    async with site.gateway() as app:
        for kind in ("raw", "sha512-hex", "argon2id"):
            assert (await ask(app, text(kind))).status == 200


async def test_of_keys_that_begin_alike_each_is_itself(site: Site) -> None:
    one, two = "start_0_one_0123456789", "start_0_1_two_0123456789"
    first, second = await site.add(
        {"hash": argon2id(one), "hash_kind": "argon2id", "start": "start_0_"},
        {"hash": argon2id(two), "hash_kind": "argon2id", "start": "start_0_1_"},
    )
    async with site.gateway() as app:
        assert (await ask(app, two)).body.decode() == second.id
        assert (await ask(app, one)).body.decode() == first.id
        assert (await ask(app, "start_0_1_three_0123456789")).status == 401


async def test_guesses_are_braked_as_others_are(site: Site) -> None:
    await site.add(KEPT["argon2id"](text("a")))
    async with site.gateway() as app:
        answers = [await ask(app, f"{text('a')}{number}") for number in range(25)]
        assert {answer.status for answer in answers} == {401, 429}
        assert answers[-1].refusal == (429, "too_many_failures")


async def test_two_imports_of_one_key_are_one(site: Site) -> None:
    assert len(await site.add(KEPT["raw"](text("a")))) == 1
    assert await site.add(KEPT["sha256-hex"](text("a"))) == []
    assert query(sqlite_file(site.directory), "SELECT count(*) FROM keys") == [(1,)]
