"""What a verified token must say to be accepted, what it says being wrong is called, and whom it speaks for."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.claims import Claims, Expired, build_token, check_claims, check_introspected, principal_of
from gateway_auth.core.issuer import Issuer
from gateway_auth.core.jose import Rejected, UnverifiedToken
from gateway_auth.core.token import token_digest

NOW = 1_700_000_000.0
LEEWAY = 30
LIFETIME = 3600
ISSUER = Issuer(
    id="corp", issuer="https://issuer.test", audiences=frozenset(("orders", "https://api.test")),
    leeway_seconds=LEEWAY, max_lifetime_seconds=LIFETIME,
)  # fmt: skip
CLAIMS: dict[str, object] = {
    "iss": "https://issuer.test", "sub": "user-1", "aud": "orders", "client_id": "client-1", "scope": "orders:read",
    "iat": NOW - 10, "exp": NOW + 300, "jti": "t-1",
}  # fmt: skip
ABSENT = object()


def issuer(**changes: Any) -> Issuer:
    """The issuer of these tests, changed."""
    return msgspec.structs.replace(ISSUER, **changes)


def claims_with(**changes: object) -> dict[str, object]:
    """Good claims with changes; ABSENT takes one away."""
    return {name: value for name, value in {**CLAIMS, **changes}.items() if value is not ABSENT}


def token(typ: str | None = "at+jwt", /, **changes: object) -> UnverifiedToken:
    """A token whose signature was found right."""
    return UnverifiedToken("RS256", "k-1", typ, claims_with(**changes), b"e30.e30", b"signature")


def check(whose: Issuer = ISSUER, typ: str | None = "at+jwt", /, **changes: object) -> Claims | Rejected | Expired:
    """The outcome for a token with these changes."""
    return check_claims(token(typ, **changes), whose, NOW)


ACCEPTED: dict[str, dict[str, object]] = {
    "as it is": {},
    "one audience of several": {"aud": ["else", "https://api.test"]},
    "fractions of a second": {"exp": NOW + 300.5, "iat": NOW - 0.25},
    "over within the leeway": {"exp": NOW - LEEWAY + 1, "iat": NOW - 600},
    "not begun within the leeway": {"nbf": NOW + LEEWAY - 1},
    "begun just now": {"nbf": NOW + LEEWAY},
    "issued just now by a fast clock": {"iat": NOW + LEEWAY},
    "issued at no known time": {"iat": ABSENT},
    "issued when it ends": {"iat": NOW + 10, "exp": NOW + 10},
    "without id": {"jti": ABSENT},
    "as long as allowed": {"iat": NOW - 10, "exp": NOW - 10 + LIFETIME},
    "as long as allowed, not saying since when": {"iat": ABSENT, "exp": NOW + LIFETIME + LEEWAY},
    "a subject of another script": {"sub": "пользователь"},
    "a longest subject": {"sub": "u" * 255},
    "a subject with a no-break space": {"sub": "a\u00a0b"},
    "more than we know": {"zz": {"a": [1, 2]}, "act": {"sub": "x"}},
    "a nonce in an access token": {"nonce": "n"},
}  # fmt: skip

REJECTED: dict[str, tuple[dict[str, object], str]] = {
    "no issuer": ({"iss": ABSENT}, "issuer"),
    "issuer null": ({"iss": None}, "issuer"),
    "issuer in an array": ({"iss": ["https://issuer.test"]}, "issuer"),
    "another issuer": ({"iss": "https://issuer.test/"}, "issuer"),
    "the issuer in another case": ({"iss": "HTTPS://ISSUER.TEST"}, "issuer"),
    "the issuer with its port": ({"iss": "https://issuer.test:443"}, "issuer"),
    "no audience": ({"aud": ABSENT}, "audience"),
    "audience null": ({"aud": None}, "audience"),
    "another audience": ({"aud": "else"}, "audience"),
    "a longer audience": ({"aud": "orders2"}, "audience"),
    "a shorter audience": ({"aud": "order"}, "audience"),
    "the audience in another case": ({"aud": "Orders"}, "audience"),
    "an object as audience": ({"aud": {"orders": 1}}, "audience"),
    "a number as audience": ({"aud": 1}, "audience"),
    "no audience in the array": ({"aud": []}, "audience"),
    "our audience beside a number": ({"aud": ["orders", 1]}, "audience"),
    "our audience in an array too deep": ({"aud": [["orders"]]}, "audience"),
    "no end": ({"exp": ABSENT}, "time"),
    "end null": ({"exp": None}, "time"),
    "end in a string": ({"exp": "1700000300"}, "time"),
    "end true": ({"exp": True}, "time"),
    "end an object": ({"exp": {}}, "time"),
    "end infinite": ({"exp": math.inf}, "time"),
    "end no number": ({"exp": math.nan}, "time"),
    "end of 400 digits": ({"exp": int("9" * 400)}, "time"),
    "end beyond 2^53": ({"exp": 2**53 + 2}, "time"),
    "begin in a string": ({"nbf": "0"}, "time"),
    "begin null": ({"nbf": None}, "time"),
    "begin infinite": ({"nbf": -math.inf}, "time"),
    "issued in a string": ({"iat": "x"}, "time"),
    "issued null": ({"iat": None}, "time"),
    "issued in the future": ({"iat": NOW + LEEWAY + 1}, "time"),
    "issued after its end": ({"iat": NOW + 11, "exp": NOW + 10}, "time"),
    "not begun": ({"nbf": NOW + LEEWAY + 1}, "not_yet_valid"),
    "longer than allowed": ({"iat": NOW - 10, "exp": NOW - 9 + LIFETIME}, "lifetime"),
    "longer than allowed, though over": ({"iat": NOW - 2 * LIFETIME, "exp": NOW - LEEWAY - 1}, "lifetime"),
    "longer than allowed, not saying since when": ({"iat": ABSENT, "exp": NOW + LIFETIME + LEEWAY + 1}, "lifetime"),
    "no subject": ({"sub": ABSENT}, "subject"),
    "subject null": ({"sub": None}, "subject"),
    "an empty subject": ({"sub": ""}, "subject"),
    "a number as subject": ({"sub": 1}, "subject"),
    "a subject too long": ({"sub": "u" * 256}, "subject"),
    "a subject of two lines": ({"sub": "a\nb"}, "subject"),
    "a subject with an escape": ({"sub": "a\x1b[0m"}, "subject"),
    "a number as id": ({"jti": 1}, "token_id"),
    "id null": ({"jti": None}, "token_id"),
    "an id too long": ({"jti": "j" * 256}, "token_id"),
    "bound to a key": ({"cnf": {"jkt": "x"}}, "sender_constrained"),
    "bound to a certificate": ({"cnf": {"x5t#S256": "x"}}, "sender_constrained"),
    "bound to nothing": ({"cnf": None}, "sender_constrained"),
    "more scopes than anybody reads": ({"scope": " ".join(f"s{n}" for n in range(257))}, "too_many_scopes"),
    "more roles than anybody reads": ({"roles": [f"r{n}" for n in range(257)]}, "too_many_scopes"),
}  # fmt: skip


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED)
def test_a_token_for_us_is_accepted(changes: dict[str, object]) -> None:
    assert isinstance(check(**changes), Claims)


@pytest.mark.parametrize(("changes", "why"), REJECTED.values(), ids=REJECTED)
def test_a_token_that_is_not_is_rejected(changes: dict[str, object], why: str) -> None:
    assert check(**changes) == Rejected(why)  # type: ignore[arg-type]  # the table's text


@pytest.mark.parametrize("end", [NOW - LEEWAY, NOW - LEEWAY - 1, -1, -(2**53)])
def test_a_token_whose_time_is_over_is_expired(end: float) -> None:
    assert check(exp=end, iat=ABSENT) == Expired()


@pytest.mark.parametrize(("changes", "why"), REJECTED.values(), ids=REJECTED)
def test_a_token_that_is_wrong_as_well_is_never_called_expired(changes: dict[str, object], why: str) -> None:
    over = {"exp": NOW - LEEWAY - 1, "iat": NOW - LEEWAY - 100, **changes}
    assert isinstance(check(**over), Rejected)


def test_required_claims_must_be_there() -> None:
    whose = issuer(required_claims=("tenant", "org.id"))
    assert isinstance(check(whose, tenant="t", org={"id": 0}), Claims)
    for changes in ({}, {"tenant": "t"}, {"tenant": None, "org": {"id": 1}}, {"tenant": "t", "org": {"id": None}}):
        assert check(whose, **changes) == Rejected("required_claim")


def test_audiences_may_stand_in_another_claim() -> None:
    whose = issuer(audience_claims=("aud", "client_id"), audiences=frozenset(("client-1",)))
    assert isinstance(check(whose, aud=ABSENT), Claims)
    assert check(whose) == Rejected("audience"), "the first that is there counts"
    assert check(whose, aud=ABSENT, client_id=ABSENT) == Rejected("audience")


# -- the kind of token -------------------------------------------------------------------------------------------

LENIENT = issuer(token_types=frozenset(("at+jwt", "jwt", "")))


@pytest.mark.parametrize("typ", [None, "jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "at+jwt2"])
def test_another_type_than_is_listed_is_refused(typ: str | None) -> None:
    assert check(ISSUER, typ) == Rejected("token_kind")


@pytest.mark.parametrize("typ", [None, "jwt", "at+jwt"])
def test_types_that_are_listed_are_accepted(typ: str | None) -> None:
    assert isinstance(check(LENIENT, typ), Claims)


OTHER_KINDS: dict[str, dict[str, object]] = {
    "OpenID Connect": {"nonce": "n"},
    "OpenID Connect, code flow": {"at_hash": "x"},
    "OpenID Connect, hybrid flow": {"c_hash": "x"},
    "OpenID Connect, with the state bound to it": {"s_hash": "x"},
    "OpenID Connect logout": {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
    "security event": {"events": None},
    "Keycloak ID": {"typ": "ID"},
    "Keycloak refresh": {"typ": "Refresh"},
    "Keycloak offline": {"typ": "Offline"},
    "Cognito ID": {"token_use": "id"},
    "Hydra refresh": {"token_use": "refresh_token"},
    "Simple JWT refresh": {"token_type": "refresh"},
    "Flask refresh": {"type": "refresh"},
}


@pytest.mark.parametrize("typ", [None, "jwt"])
@pytest.mark.parametrize("changes", OTHER_KINDS.values(), ids=OTHER_KINDS)
def test_where_the_type_tells_nothing_the_claims_do(changes: dict[str, object], typ: str | None) -> None:
    assert check(LENIENT, typ, **changes) == Rejected("token_kind")
    assert isinstance(check(LENIENT, "at+jwt", **changes), Claims)


@pytest.mark.parametrize("changes", [{"typ": "Bearer"}, {"token_use": "access"}, {"type": ["id"]}, {"typ": 1}])
def test_access_tokens_say_so_in_many_words(changes: dict[str, object]) -> None:
    assert isinstance(check(LENIENT, "jwt", **changes), Claims)


# -- who it is ---------------------------------------------------------------------------------------------------


def test_what_a_token_says_is_read() -> None:
    checked = check(nbf=NOW - 5, name="Jo", scope="orders:read orders:write", roles=["reader"])
    assert isinstance(checked, Claims)
    assert (checked.subject, checked.app_id, checked.display_name, checked.token_id) == (
        "user-1", "client-1", "Jo", "t-1",
    )  # fmt: skip
    assert (checked.scopes, checked.roles) == (
        frozenset(("orders:read", "orders:write")),
        frozenset(("reader",)),
    )
    assert (checked.times.issued_at, checked.times.usable_from, checked.times.usable_until) == (
        NOW - 10, NOW - 5 - LEEWAY, NOW + 300 + LEEWAY,
    )  # fmt: skip


def test_a_token_without_begin_is_usable_from_ever() -> None:
    checked = check(iat=ABSENT)
    assert isinstance(checked, Claims)
    assert (checked.times.issued_at, checked.times.usable_from) == (None, -math.inf)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"client_id": "a", "azp": "b"}, "a"),
        ({"client_id": ABSENT, "azp": "b", "appid": "c"}, "b"),
        ({"client_id": ABSENT, "appid": "c"}, "c"),
        ({"client_id": ABSENT, "cid": "d"}, "d"),
        ({"client_id": "", "azp": 1, "appid": "x\n", "cid": "d"}, "d"),
        ({"client_id": ABSENT}, None),
    ],
)
def test_the_client_is_the_app(changes: dict[str, object], expected: str | None) -> None:
    checked = check(**changes)
    assert isinstance(checked, Claims)
    assert checked.app_id == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "Jo", "preferred_username": "jo"}, "Jo"), ({"preferred_username": "jo"}, "jo"),
        ({"username": "jo"}, "jo"), ({"name": "a\nb", "username": 1}, "user-1"), ({}, "user-1"),
    ],
)  # fmt: skip
def test_people_have_names(changes: dict[str, object], expected: str) -> None:
    checked = check(**changes)
    assert isinstance(checked, Claims)
    assert principal_of(checked, ISSUER, {}).display_name == expected


def test_a_verified_token_is_all_that_is_remembered() -> None:
    verified = token(roles=["reader", "unknown"], scope="orders:write")
    checked = check_claims(verified, ISSUER, NOW)
    assert isinstance(checked, Claims)
    remembered = build_token(verified, checked, ISSUER, {"reader": ("orders:read",)})
    principal = remembered.principal
    assert (principal.subject, principal.app_id, principal.method, principal.issuer_id) == (
        "user-1", "client-1", "jwt", "corp",
    )  # fmt: skip
    assert principal.scopes == {"orders:write", "orders:read"}
    assert principal.roles == {"reader", "unknown"}
    assert principal.claims == verified.unverified_claims
    assert (remembered.issuer_id, remembered.issuer, remembered.subject) == ("corp", "https://issuer.test", "user-1")
    assert (remembered.token_id, remembered.issued_at) == ("t-1", NOW - 10)
    assert (remembered.usable_from, remembered.usable_until) == (-math.inf, NOW + 300 + LEEWAY)
    assert (remembered.key_id, remembered.algorithm) == ("k-1", "RS256")
    assert remembered.digest == token_digest(b"e30.e30.c2ln")


def test_the_claims_of_a_principal_cannot_be_changed() -> None:
    checked = check()
    assert isinstance(checked, Claims)
    with pytest.raises(TypeError):
        principal_of(checked, ISSUER, {}).claims["sub"] = "root"  # type: ignore[index]  # that is the point


# -- opaque tokens -----------------------------------------------------------------------------------------------

ANSWERS_ACCEPTED: dict[str, dict[str, object]] = {
    "the whole": {**CLAIMS, "active": True},
    "nothing but a subject": {"active": True, "sub": "user-1"},
    "nothing but a client": {"active": True, "client_id": "user-1"},
    "nothing about its type": {"sub": "user-1", "token_type": "Bearer"},
    "a nonce": {"sub": "user-1", "nonce": "n"},
}
ANSWERS_REJECTED: dict[str, tuple[dict[str, object], str]] = {
    "nobody": ({"active": True}, "subject"),
    "an empty subject, and a client": ({"sub": "", "client_id": "c"}, "subject"),
    "another issuer": ({"sub": "u", "iss": "https://else.test"}, "issuer"),
    "issuer null": ({"sub": "u", "iss": None}, "issuer"),
    "another audience": ({"sub": "u", "aud": "else"}, "audience"),
    "audience null": ({"sub": "u", "aud": None}, "audience"),
    "bound to a key": ({"sub": "u", "cnf": {}}, "sender_constrained"),
    "end in a string": ({"sub": "u", "exp": "1"}, "time"),
    "not begun": ({"sub": "u", "nbf": NOW + 100}, "not_yet_valid"),
    "longer than allowed": ({"sub": "u", "exp": NOW + 2 * LIFETIME}, "lifetime"),
    "a refresh token": ({"sub": "u", "token_use": "refresh_token"}, "token_kind"),
}


@pytest.mark.parametrize("answer", ANSWERS_ACCEPTED.values(), ids=ANSWERS_ACCEPTED)
def test_an_answer_may_leave_out_what_it_need_not_say(answer: dict[str, object]) -> None:
    checked = check_introspected(answer, ISSUER, NOW)
    assert isinstance(checked, Claims)
    principal = principal_of(checked, ISSUER, {}, "opaque")
    assert (principal.subject, principal.method) == ("user-1", "opaque")


@pytest.mark.parametrize(("answer", "why"), ANSWERS_REJECTED.values(), ids=ANSWERS_REJECTED)
def test_what_an_answer_says_must_be_right(answer: dict[str, object], why: str) -> None:
    assert check_introspected(answer, ISSUER, NOW) == Rejected(why)  # type: ignore[arg-type]  # the table's text


def test_an_answer_about_a_token_that_is_over_is_expired() -> None:
    assert check_introspected({"sub": "u", "exp": NOW - LEEWAY}, ISSUER, NOW) == Expired()


def test_an_answer_without_end_never_ends() -> None:
    checked = check_introspected({"sub": "u", "iat": NOW}, ISSUER, NOW)
    assert isinstance(checked, Claims)
    assert checked.times.usable_until == math.inf


# -- anything ----------------------------------------------------------------------------------------------------

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from([*CLAIMS, "nbf", "cnf", "roles", "realm_access", "name", "azp", "typ", "token_use"])


@given(st.dictionaries(names, anything), st.sampled_from(["at+jwt", "jwt", None, "x"]))
def test_whatever_a_token_claims_there_is_an_answer(changes: dict[str, object], typ: str | None) -> None:
    for claims in ({**CLAIMS, **changes}, changes):
        verified = UnverifiedToken("RS256", None, typ, claims, b"a.b", b"s")
        for outcome in (check_claims(verified, LENIENT, NOW), check_introspected(claims, LENIENT, NOW)):
            assert isinstance(outcome, Claims | Rejected | Expired)
            if isinstance(outcome, Claims):
                principal_of(outcome, LENIENT, {})


@given(st.integers(-3, 3).map(lambda step: NOW + step * LEEWAY), st.integers(-100, 100))
def test_a_token_is_usable_exactly_from_begin_to_end_with_leeway(begin: float, length: int) -> None:
    outcome = check(iat=ABSENT, nbf=begin, exp=begin + length)
    if begin - LEEWAY > NOW:
        assert outcome == Rejected("not_yet_valid")
    elif begin + length + LEEWAY <= NOW:
        assert outcome == Expired()
    else:
        assert isinstance(outcome, Claims)
        assert outcome.times.usable_from <= NOW < outcome.times.usable_until
