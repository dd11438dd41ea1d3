"""Taking tokens back: what is recorded, for how long it stays, and what cannot be asked for."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway_auth.core.actor import Actor
from gateway_auth.core.claims import Claims, build_token, check_claims
from gateway_auth.core.issuer import Issuer
from gateway_auth.core.jose import Rejected, UnverifiedToken, parse_compact
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.token import Revocation, VerifiedToken, token_digest
from gateway_auth.errors import InvalidInput, StoreUnavailable
from gateway_auth.lifecycle.input import LAST_SECOND, check_claim
from gateway_auth.lifecycle.tokens import CLOCKS_DIFFER_SECONDS, ManageTokens
from gateway_auth.lifecycle.views import revocation_view
from gateway_auth.ports import Change
from tests.bearer.issuing import compact
from tests.lifecycle.world import ACTOR, BOB, NOW, World

CORP = Issuer(id="corp", issuer="https://idp.example", audiences=frozenset(("orders",)), algorithms=("HS256",))
SLOW = Issuer(id="slow", issuer="https://slow.example", audiences=frozenset(("orders",)), max_lifetime_seconds=10**6)
ASKED = Issuer(
    id="asked",
    issuer="https://asked.example",
    audiences=frozenset(("orders",)),
    max_lifetime_seconds=500,
    leeway_seconds=10,
    has_keys=False,
    is_introspected=True,
)
SECRET = b"s" * 32
OPAQUE = b"8xLOxBtZp8"


def manage(world: World, *issuers: Issuer) -> ManageTokens:
    return ManageTokens(world.registry, world.clock, world.random, issuers, key_format=KeyFormat())


@pytest.fixture
def tokens(world: World) -> ManageTokens:
    return manage(world, CORP, SLOW)


def signed(**changes: Any) -> bytes:
    """A token of CORP that ends in five minutes; None takes a claim away."""
    claims = {"iss": CORP.issuer, "sub": "alice", "aud": "orders", "iat": NOW - 5, "exp": NOW + 300, "jti": "jti-1"}
    shown = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return compact({"alg": "HS256", "typ": "at+jwt"}, shown, SECRET, "HS256").encode()


def proven(token: bytes, now: float) -> VerifiedToken | None:
    """What the gateway makes of a token whose signature is good; None when it refuses it."""
    parsed = parse_compact(token)
    assert isinstance(parsed, UnverifiedToken)
    claims = check_claims(parsed, CORP, now)
    return build_token(parsed, claims, CORP, {}) if isinstance(claims, Claims) else None


async def recorded(world: World) -> list[Revocation]:
    return list((await world.memory.read_revocations(0)).revocations)


# -- what is recorded ----------------------------------------------------------------------------------------------


async def test_an_id_is_taken_back_of_every_issuer(world: World, tokens: ManageTokens) -> None:
    revocation = await tokens.revoke_id(ACTOR, "jti-1")
    assert re.fullmatch(r"rev_[0-9A-Za-z]{16}", revocation.id)
    assert revocation == Revocation(
        id=revocation.id, kind="jti", value="jti-1", issuer=None, revoked_at=NOW + 0.25, expires_at=NOW + 0.25 + 1000060
    )
    assert await recorded(world) == [revocation]


@pytest.mark.parametrize("named", ["corp", "https://idp.example"])
async def test_a_subject_is_taken_back_of_one_issuer_by_its_id_or_its_iss(tokens: ManageTokens, named: str) -> None:
    revocation = await tokens.revoke_subject(ACTOR, " Ünïcode subject ", named)
    assert (revocation.kind, revocation.value) == ("subject", " Ünïcode subject ")
    assert (revocation.issuer, revocation.expires_at) == (CORP.issuer, NOW + 0.25 + 86400 + 60)


async def test_a_token_is_taken_back_by_its_digest(world: World, tokens: ManageTokens) -> None:
    token = signed()
    revocation = await tokens.revoke_token(ACTOR, b" " + token + b"\r\n")
    assert (revocation.kind, revocation.value) == ("token", token_digest(token).hex())
    verified = proven(token, NOW)
    assert verified is not None
    assert revocation.covers(verified)
    kept = repr((world.memory.audit, await recorded(world)))
    assert not any(part in kept for part in token.decode().split("."))


async def test_each_is_one_change_with_its_audit_event(world: World, tokens: ManageTokens) -> None:
    first = await tokens.revoke_id(ACTOR, "jti-1")
    second = await tokens.revoke_token(BOB, signed())
    assert (await world.memory.changes_since(0)).changes == (
        Change(1, "token", first.id),
        Change(2, "token", second.id),
    )
    event = world.memory.audit[1]
    assert (event.actor, event.action, event.at) == ("admin:bob", "token.revoke", NOW + 0.25)
    assert (event.object_kind, event.object_id, event.before) == ("token", second.id, None)
    assert event.after == revocation_view(second)
    assert (await world.memory.read_revocations(1)).revocations == (second,)


async def test_revoking_twice_is_no_error(world: World, tokens: ManageTokens) -> None:
    for _ in range(2):
        await tokens.revoke_subject(ACTOR, "alice")
    assert len(await recorded(world)) == 2


def test_a_revocation_as_people_see_it() -> None:
    entry = Revocation(id="rev_1", kind="jti", value="j", issuer=None, revoked_at=NOW + 0.9, expires_at=LAST_SECOND)
    assert revocation_view(entry) == {
        "id": "rev_1",
        "kind": "jti",
        "value": "j",
        "issuer": None,
        "revoked_at": "2027-01-15T08:00:00Z",
        "expires_at": "9999-12-31T23:59:59Z",
    }


# -- how long it stays ---------------------------------------------------------------------------------------------


async def test_what_has_ended_leaves_with_the_next_change_a_little_later(world: World) -> None:
    tokens = manage(world, CORP)
    await tokens.revoke_token(ACTOR, signed())
    world.clock.seconds = NOW + 330 + CLOCKS_DIFFER_SECONDS
    await tokens.revoke_id(ACTOR, "jti-2")
    assert len(await recorded(world)) == 2
    world.clock.seconds += 1
    await tokens.revoke_id(ACTOR, "jti-3")
    assert [entry.value for entry in await recorded(world)] == ["jti-2", "jti-3"]


@pytest.mark.parametrize(
    ("changes", "stays"),
    [
        ({}, 300 + 30),
        ({"exp": NOW + 86400 * 400, "iat": None}, 86400 * 400 + 30),
        ({"exp": NOW + 10.5}, 10.5 + 30),
        ({"exp": 2**53}, LAST_SECOND - NOW),
        ({"exp": NOW - 1000}, 0.25),
        ({"exp": -(2**53)}, 0.25),
        ({"exp": None}, 0.25 + 86400 + 60),
        ({"exp": "soon"}, 0.25 + 86400 + 60),
        ({"iss": SLOW.issuer, "exp": NOW + 300}, 300 + 30),
    ],
    ids=str,
)
async def test_a_signed_token_stays_revoked_until_it_has_ended(
    tokens: ManageTokens, changes: dict[str, Any], stays: float
) -> None:
    revocation = await tokens.revoke_token(ACTOR, signed(**changes))
    assert revocation.expires_at - NOW == stays


@pytest.mark.parametrize(
    "presented", [OPAQUE, b"a.b.c", signed(iss="https://elsewhere.example", exp=NOW + 1)], ids=["opaque", "dots", "jwt"]
)
async def test_a_token_only_its_issuer_can_read_stays_revoked_for_good(world: World, presented: bytes) -> None:
    """It may never end: an issuer may call it active without telling until when."""
    revocation = await manage(world, SLOW, ASKED).revoke_token(ACTOR, presented)
    assert revocation.expires_at == LAST_SECOND
    assert revocation.value == token_digest(presented).hex()


async def test_an_id_an_opaque_token_may_have_stays_revoked_for_good_and_a_subject_does_not(world: World) -> None:
    tokens = manage(world, SLOW, ASKED)
    assert (await tokens.revoke_id(ACTOR, "jti-1")).expires_at == LAST_SECOND
    of_signed = await tokens.revoke_id(ACTOR, "jti-1", "slow")
    of_anybody = await tokens.revoke_subject(ACTOR, "alice", "asked")
    assert of_signed.expires_at - of_signed.revoked_at == 10**6 + 60
    assert of_anybody.expires_at - of_anybody.revoked_at == 500 + 20


_TIMES = st.none() | st.integers(NOW - 10**5, NOW + 3 * 10**5)


@given(st.sampled_from(["jti", "subject", "token"]), _TIMES, _TIMES, _TIMES, st.integers(0, 3 * 10**5))
@example("jti", NOW + 30, NOW + 30 + 86400, None, 86400 + 59)
@example("token", None, NOW + 2 * 86400, None, 86400 + 100)
@example("token", NOW + 40, NOW + 86400, NOW + 500, 600)
async def test_no_token_that_was_taken_back_is_accepted_later(
    kind: str, issued: int | None, expires: int | None, begins: int | None, later: int
) -> None:
    """An entry may only go when the gateway refuses its tokens anyway: by id and subject, those accepted by now."""
    world = World()
    tokens, token = manage(world, CORP), signed(iat=issued, exp=expires, nbf=begins)
    revoke = {"jti": tokens.revoke_id, "subject": tokens.revoke_subject}
    if kind == "token":
        revocation = await tokens.revoke_token(ACTOR, token)
    else:
        revocation = await revoke[kind](ACTOR, "jti-1" if kind == "jti" else "alice")
    was_accepted = proven(token, world.clock.now()) is not None
    after = proven(token, NOW + later)
    if after is None or not (was_accepted or kind == "token"):
        return
    is_in_force = NOW + later < revocation.expires_at
    is_meant = kind != "subject" or issued is None or issued <= revocation.revoked_at
    assert not is_meant or (is_in_force and revocation.covers(after))


# -- what cannot be asked for --------------------------------------------------------------------------------------

NAMES = {
    "empty": "",
    "too long": "x" * 256,
    "line break": "a\nb",
    "escape": "a\x1b[31mb",
    "delete": "\x7f",
    "C1": "a\x9bb",
    "line separator": "a\u2028b",
    "NUL": "a\0",
    "half a surrogate pair": "a\udcff",
    "a token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.sig",
    "an unsecured token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.",
}


@pytest.mark.parametrize("text", list(NAMES.values()), ids=list(NAMES))
async def test_a_name_that_no_token_has_is_refused_and_nothing_recorded(
    world: World, tokens: ManageTokens, text: str
) -> None:
    for field, revoke in (("jti", tokens.revoke_id), ("subject", tokens.revoke_subject)):
        with pytest.raises(InvalidInput) as caught:
            await revoke(ACTOR, text)
        assert caught.value.field == field
        assert text[:8] not in caught.value.message or not text
    assert world.actions == []


async def test_an_api_key_is_neither_a_name_nor_a_token(world: World, tokens: ManageTokens) -> None:
    minted = KeyFormat().mint("live", 1, 2).text
    for text in (minted, f"see {minted}"):
        with pytest.raises(InvalidInput, match="jti: holds an API key"):
            await tokens.revoke_id(ACTOR, text)
    for presented in (minted.encode(), b"gwk_live_cut"):
        with pytest.raises(InvalidInput, match="token: is an API key"):
            await tokens.revoke_token(ACTOR, presented)
    assert world.actions == []


PRESENTED = {
    "nothing": b"",
    "blanks": b" \r\n\t",
    "two": OPAQUE + b"\n" + OPAQUE,
    "with its scheme": b"Bearer " + signed(),
    "control": OPAQUE + b"\x1b[0m",
    "too long": b"x" * 8193,
    "opaque, and nobody is asked": OPAQUE,
    "cut": signed()[:60],
    "of another issuer": signed(iss="https://elsewhere.example"),
    "without issuer": signed(iss=None),
    "with a strange issuer": signed(iss=["https://idp.example"]),
}


@pytest.mark.parametrize("presented", list(PRESENTED.values()), ids=list(PRESENTED))
async def test_what_is_no_token_here_is_refused_without_repeating_it(
    world: World, tokens: ManageTokens, presented: bytes
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await tokens.revoke_token(ACTOR, presented)
    assert caught.value.field == "token"
    assert OPAQUE.decode() not in str(caught.value)
    assert "eyJ" not in str(caught.value)
    assert world.actions == []


async def test_without_issuers_there_is_nothing_to_take_back(world: World) -> None:
    tokens = manage(world)
    for revoke in (tokens.revoke_id, tokens.revoke_subject):
        with pytest.raises(InvalidInput, match=r"issuer: the configuration has no \[\[issuers\]\]"):
            await revoke(ACTOR, "x")
    with pytest.raises(InvalidInput, match=r"issuer: the configuration has no \[\[issuers\]\]"):
        await tokens.revoke_token(ACTOR, signed())


@pytest.mark.parametrize("named", ["", "other", "https://idp.example/", "CORP", "https://elsewhere.example"])
async def test_an_issuer_that_is_not_configured_is_answered_with_those_that_are(
    world: World, tokens: ManageTokens, named: str
) -> None:
    with pytest.raises(InvalidInput, match=r"issuer: is not one the configuration has \(corp, slow\)"):
        await tokens.revoke_id(ACTOR, "jti-1", named)
    assert world.actions == []


@pytest.mark.parametrize("name", ["", "a\nb"])
async def test_an_actor_the_audit_could_not_show_takes_nothing_back(
    world: World, tokens: ManageTokens, name: str
) -> None:
    with pytest.raises(InvalidInput, match="actor"):
        await tokens.revoke_id(Actor(kind="cli", name=name), "jti-1")
    assert await recorded(world) == []
    assert world.actions == []


async def test_an_outage_is_an_outage(world: World, tokens: ManageTokens, monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> None:
        raise StoreUnavailable("down")

    monkeypatch.setattr(world.registry, "transaction", down)
    with pytest.raises(StoreUnavailable):
        await tokens.revoke_id(ACTOR, "jti-1")


@given(st.text(max_size=300))
def test_every_name_a_token_may_have_can_be_revoked_and_no_other(text: str) -> None:
    token = UnverifiedToken("HS256", None, "at+jwt", {
        "iss": CORP.issuer, "aud": "orders", "sub": text, "jti": text, "exp": NOW + 1,
    }, b"", b"")  # fmt: skip
    verdict = check_claims(token, CORP, NOW)
    try:
        taken = check_claim("subject", text)
    except InvalidInput:
        is_surrogate = any("\ud800" <= char <= "\udfff" for char in text)
        assert isinstance(verdict, Rejected) or is_surrogate
    else:
        assert taken == text
        assert isinstance(verdict, Claims)
