"""How keys come to be: what they hold, how long they live, and where their secret is not."""

import base64
from pathlib import Path

import pytest

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.keys import AppRecord
from gateway_auth.errors import Conflict, InvalidInput, NotFound
from gateway_auth.lifecycle.apps import AppFields
from gateway_auth.lifecycle.create_key import CreatedKey
from gateway_auth.lifecycle.key_fields import KeyFields
from gateway_auth.lifecycle.views import key_view
from tests.lifecycle.world import ACTOR, NOW, World

DAY = 86400


async def test_a_created_key_is_one_of_ours_and_is_stored_as_a_digest(world: World, created: CreatedKey) -> None:
    presented = created.text.encode()
    record = created.record
    assert KeyFormat().parse_key_id(presented) == record.id
    assert created.text.startswith("gwk_live_")
    assert (await world.memory.read_key(record.id)).key == record
    assert world.peppers.verify(presented, record.digest, record.pepper_id)
    assert record.digest not in (presented, b"")


async def test_every_public_field_is_shown_and_nothing_else(world: World, app: AppRecord) -> None:
    created = await world.keys.create(
        ACTOR,
        app.id,
        "test",
        KeyFields(
            name="ci",
            scopes=["orders:read", "orders:*", "orders:read"],
            roles=["reader"],
            not_before="2027-02-01T00:00:00+02:00",
            expires_in="90d",
            allow_networks=["10.0.0.0/8", "2001:db8::/32"],
            deny_networks=["0.0.0.0/0"],
            allow_referrers=["https://*.example.com/console/*"],
            allow_android=["com.example.app:" + "ab:" * 19 + "ab"],
            allow_ios=["com.example.App"],
            allow_requests=["GET /v1/orders/*"],
            metadata={"team": "blue"},
        ),
    )
    assert key_view(created.record, NOW) == {
        "id": created.record.id,
        "app_id": app.id,
        "name": "ci",
        "environment": "test",
        "status": "active",
        "scopes": ["orders:read", "orders:*"],
        "roles": ["reader"],
        "grants": [],
        "not_before": "2027-01-31T22:00:00Z",
        "expires_at": "2027-04-15T08:00:00Z",
        "allow_networks": ["10.0.0.0/8", "2001:db8::/32"],
        "deny_networks": ["0.0.0.0/0"],
        "allow_referrers": ["https://*.example.com/console/*"],
        "allow_android": ["com.example.app:" + "AB" * 20],
        "allow_ios": ["com.example.App"],
        "allow_requests": ["GET /v1/orders/*"],
        "created_at": "2027-01-15T08:00:00Z",
        "created_by": str(ACTOR),
        "last_used_at": None,
        "last_used_address": None,
        "rotated_from": None,
        "retires_at": None,
        "metadata": {"team": "blue"},
    }


async def test_the_secret_is_in_no_text_but_its_own(world: World, created: CreatedKey) -> None:
    secret = created.text[-38:]
    assert secret not in repr(created)
    assert secret not in repr(created.record)
    assert secret not in repr(world.memory.audit)
    assert created.record.digest.hex() not in repr(world.memory.audit)
    assert created.record.pepper_id not in repr(world.memory.audit)


async def test_no_secret_is_in_the_files_of_the_store_in_any_spelling(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'gateway.db'}")
    world = World(store)
    app = await world.apps.create(ACTOR, AppFields(name="Orders"))
    created = [await world.keys.create(ACTOR, app.id, "live", KeyFields()) for _ in range(20)]
    for one in created:
        await world.keys.verify(one.text)
        await world.keys.disable(ACTOR, one.record.id)
    contents = read_all(tmp_path)
    await store.close()
    contents += read_all(tmp_path)
    assert created[0].record.id.encode() in contents
    for one in created:
        secret = one.text[-38:-6].encode()
        spellings = [secret, secret.hex().encode(), secret.hex().upper().encode()]
        # base64 of it wherever it begins in a longer text: the inner characters do not depend on what is around.
        spellings += [base64.b64encode(b"x" * shift + secret)[4:-4] for shift in range(3)]
        assert not [spelling for spelling in spellings if spelling in contents]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        (KeyFields(name="a\x00"), "name"),
        (KeyFields(scopes=["*"]), "scopes"),
        (KeyFields(scopes=["a b"]), "scopes"),
        (KeyFields(scopes=[f"s{n}" for n in range(101)]), "scopes"),
        (KeyFields(roles=["no spaces"]), "roles"),
        (KeyFields(allow_networks=["10.0.0.5/8"]), "allow_networks"),
        (KeyFields(allow_networks=["0.0.0.0/0"]), "allow_networks"),
        (KeyFields(allow_networks=["::/0"]), "allow_networks"),
        (KeyFields(deny_networks=["example.com"]), "deny_networks"),
        (KeyFields(allow_referrers=["*"]), "allow_referrers"),
        (KeyFields(allow_referrers=["https://a.example/\x1b["]), "allow_referrers"),
        (KeyFields(allow_android=["com.example.app"]), "allow_android"),
        (KeyFields(allow_ios=["App"]), "allow_ios"),
        (KeyFields(allow_requests=["get /x"]), "allow_requests"),
        (KeyFields(metadata={"": "x"}), "metadata"),
        (KeyFields(metadata={"a": "x" * 257}), "metadata"),
        (KeyFields(metadata={"a": "\n"}), "metadata"),
        (KeyFields(metadata={f"m{n}": "" for n in range(33)}), "metadata"),
        (KeyFields(expires_in="90"), "expires_in"),
        (KeyFields(expires_in="0d"), "expires_in"),
        (KeyFields(expires_in="-1d"), "expires_in"),
        (KeyFields(expires_in="36501d"), "expires_in"),
        (KeyFields(expires_in="9999999999w"), "expires_in"),
        (KeyFields(expires_in="\N{ARABIC-INDIC DIGIT ONE}d"), "expires_in"),
        (KeyFields(expires_in="1d", expires_at="2030-01-01T00:00:00Z"), "expires_in"),
        (KeyFields(expires_at="2030-01-01"), "expires_at"),
        (KeyFields(expires_at="2030-01-01T00:00:00"), "expires_at"),
        (KeyFields(expires_at="2020-01-01T00:00:00Z"), "expires_at"),
        (KeyFields(not_before="tomorrow"), "not_before"),
        (KeyFields(not_before="2030-01-01T00:00:00Z", expires_in="1d"), "not_before"),
    ],
)
async def test_a_field_that_cannot_be_is_named_and_nothing_is_made(
    world: World, app: AppRecord, fields: KeyFields, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await world.keys.create(ACTOR, app.id, "live", fields)
    assert caught.value.field == field
    assert world.actions == ["app.create"]


async def test_only_two_environments_exist(world: World, app: AppRecord) -> None:
    with pytest.raises(InvalidInput, match='environment: must be "live" or "test"'):
        await world.keys.create(ACTOR, app.id, "prod", KeyFields())


async def test_a_key_needs_an_app_that_exists_and_is_active(world: World, app: AppRecord) -> None:
    with pytest.raises(NotFound, match="there is no app app_unknown"):
        await world.keys.create(ACTOR, "app_unknown", "live", KeyFields())
    await world.apps.disable(ACTOR, app.id)
    with pytest.raises(Conflict, match="is disabled"):
        await world.keys.create(ACTOR, app.id, "live", KeyFields())
    assert await world.keys.page() == []


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [("90d", 90 * DAY), ("12h", 43200), ("30m", 1800), ("2s", 2), ("1w", 7 * DAY), ("never", None)],
)
async def test_a_duration_counts_from_now(world: World, app: AppRecord, expires_in: str, seconds: int | None) -> None:
    created = await world.keys.create(ACTOR, app.id, "live", KeyFields(expires_in=expires_in))
    assert created.record.expires_at == (None if seconds is None else NOW + seconds)


async def test_without_a_cap_a_key_lives_until_it_is_ended(created: CreatedKey) -> None:
    assert created.record.expires_at is None


async def test_with_a_cap_a_key_ends_at_the_latest_there(app: AppRecord, world: World) -> None:
    capped = World(world.registry, max_lifetime_days=30)
    by_default = await capped.keys.create(ACTOR, app.id, "live", KeyFields())
    just_so = await capped.keys.create(ACTOR, app.id, "live", KeyFields(expires_in="30d"))
    shorter = await capped.keys.create(ACTOR, app.id, "live", KeyFields(expires_in="1d"))
    ends = [created.record.expires_at for created in (by_default, just_so, shorter)]
    assert ends == [NOW + 30 * DAY, NOW + 30 * DAY, NOW + DAY]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        (KeyFields(expires_in="31d"), "expires_in"),
        (KeyFields(expires_in="never"), "expires_in"),
        (KeyFields(expires_at=None), "expires_at"),
        (KeyFields(expires_at="2030-01-01T00:00:00Z"), "expires_at"),
    ],
)
async def test_with_a_cap_a_longer_life_is_refused(app: AppRecord, world: World, fields: KeyFields, field: str) -> None:
    capped = World(world.registry, max_lifetime_days=30)
    with pytest.raises(InvalidInput, match="max_lifetime_days") as caught:
        await capped.keys.create(ACTOR, app.id, "live", fields)
    assert caught.value.field == field


async def test_an_id_that_is_taken_is_drawn_anew(world: World, app: AppRecord) -> None:
    world.random.numbers = [7, 1]
    first = await world.keys.create(ACTOR, app.id, "live", KeyFields())
    world.random.numbers = [7, 2, 7, 3, 8, 4]
    second = await world.keys.create(ACTOR, app.id, "live", KeyFields())
    assert (first.record.id, second.record.id) == ("000000000007", "000000000008")
    assert (await world.keys.verify(first.text)).outcome == "valid"


async def test_chance_that_repeats_itself_makes_no_key(world: World, app: AppRecord) -> None:
    world.random.numbers = [7, 1]
    await world.keys.create(ACTOR, app.id, "live", KeyFields())
    world.random.numbers = [7, 1] * 8
    with pytest.raises(Conflict, match="random source"):
        await world.keys.create(ACTOR, app.id, "live", KeyFields())


def read_all(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.iterdir())
