"""What operators are told about a text that may be a token: what the gateway would find, up to what refuses it."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway_auth.core.claims import Claims, Expired, check_claims
from gateway_auth.core.issuer import Issuer
from gateway_auth.core.jose import UnverifiedToken, WhyRejected, parse_compact
from gateway_auth.lifecycle.inspect_token import (
    TokenInspector,
    TokenReport,
    Unchecked,
    Verify,
    leave_unchecked,
    report_view,
)
from gateway_auth.lifecycle.token_words import CHECKS, why_words
from gateway_auth.lifecycle.tokens import ManageTokens
from tests.bearer.issuing import compact
from tests.lifecycle.test_tokens import ASKED, CORP, OPAQUE, SECRET, manage, signed
from tests.lifecycle.world import ACTOR, NOW, World

NAMES = [
    "form", "issuer", "algorithm", "signature", "kind", "audience", "sender", "required claims", "subject", "token id",
    "scopes", "times", "revocation",
]  # fmt: skip


def answering(answer: bool | Unchecked) -> Verify:
    async def verify(_token: UnverifiedToken, _issuer: Issuer) -> bool | Unchecked:
        return answer

    return verify


async def report_on(
    world: World, token: bytes, *issuers: Issuer, verify: Verify | None = None, now: float = NOW
) -> TokenReport:
    inspector = TokenInspector(issuers or (CORP,), world.memory, verify or answering(True))
    return await inspector.inspect(token, now)


def told(report: TokenReport) -> dict[str, str]:
    return {step.check: step.result for step in report.steps}


async def test_a_good_token_passes_every_check(world: World) -> None:
    report = await report_on(world, signed())
    assert told(report) == dict.fromkeys(NAMES, "passes")
    assert report.is_accepted is True


async def test_what_is_shown_of_a_token_is_what_it_says_and_not_itself(world: World) -> None:
    token = signed(scope="orders:read", other="not shown")
    view = report_view(await report_on(world, token))
    assert (view["form"], view["accepted"], view["issuer"]) == ("jwt", True, "corp")
    assert view["header"] == {"alg": "HS256", "kid": None, "typ": "at+jwt"}
    assert view["claims"] == {
        "iss": CORP.issuer, "sub": "alice", "aud": "orders", "jti": "jti-1", "scope": "orders:read",
        "iat": "2027-01-15T07:59:55Z", "exp": "2027-01-15T08:05:00Z",
    }  # fmt: skip
    assert not any(part in repr(view) for part in token.decode().split("."))


async def test_a_time_that_is_none_is_shown_as_it_is(world: World) -> None:
    view = report_view(await report_on(world, signed(exp="soon", iat=-1, nbf=2**53)))
    claims = view["claims"]
    assert isinstance(claims, dict)
    assert (claims["exp"], claims["iat"], claims["nbf"]) == ("soon", -1, 2**53)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another audience": ({"aud": "billing"}, "audience"),
    "bound to its sender": ({"cnf": {"jkt": "x"}}, "sender"),
    "a claim is missing": ({"tenant": None}, "required claims"),
    "no subject": ({"sub": None}, "subject"),
    "an id that is none": ({"jti": 7}, "token id"),
    "too many scopes": ({"scope": " ".join(f"{n:x}" for n in range(600))}, "scopes"),
    "over": ({"exp": NOW - 31, "iat": NOW - 100}, "times"),
    "endless": ({"exp": None}, "times"),
    "not begun": ({"nbf": NOW + 100}, "times"),
    "too long a life": ({"exp": NOW + 10**6}, "times"),
}


@pytest.mark.parametrize(("changes", "check"), list(REFUSED.values()), ids=list(REFUSED))
async def test_the_first_check_that_refuses_is_the_last_one_told(
    world: World, changes: dict[str, Any], check: str
) -> None:
    report = await report_on(world, signed(**{"tenant": "t", **changes}), replace(CORP, required_claims=("tenant",)))
    assert report.is_accepted is False
    assert list(told(report)) == NAMES[: NAMES.index(check) + 1]
    assert told(report).popitem() == (check, "refuses")


async def test_a_token_of_another_kind_is_told_so(world: World) -> None:
    claims = {"iss": CORP.issuer, "sub": "a", "aud": "orders", "exp": NOW + 1}
    token = compact({"alg": "HS256", "typ": "JWT"}, claims, SECRET, "HS256").encode()
    report = await report_on(world, token)
    assert told(report).popitem() == ("kind", "refuses")
    assert "at+jwt" in report.steps[-1].because


async def test_an_algorithm_the_issuer_does_not_use_is_refused_before_any_key(world: World) -> None:
    report = await report_on(world, signed(), replace(CORP, algorithms=("RS256", "ES256")))
    assert told(report) == {"form": "passes", "issuer": "passes", "algorithm": "refuses"}


async def test_a_signature_of_nobody_ends_it(world: World) -> None:
    report = await report_on(world, signed(aud="billing"), verify=answering(False))
    assert told(report).popitem() == ("signature", "refuses")
    assert report.is_accepted is False


@pytest.mark.parametrize("verify", [leave_unchecked, answering(Unchecked("the issuer is down"))], ids=["no", "down"])
async def test_an_unverified_signature_leaves_it_open_and_the_rest_is_looked_at(world: World, verify: Verify) -> None:
    report = await report_on(world, signed(), verify=verify)
    assert list(told(report)) == NAMES
    assert told(report)["signature"] == "depends"
    assert report.is_accepted is None
    refused = await report_on(world, signed(aud="billing"), verify=verify)
    assert refused.is_accepted is False


@pytest.mark.parametrize("kind", ["jti", "subject", "token"])
async def test_a_token_that_was_taken_back_is_told_so_while_that_holds(world: World, kind: str) -> None:
    tokens: ManageTokens = manage(world, CORP)
    token = signed()
    match kind:
        case "jti":
            await tokens.revoke_id(ACTOR, "jti-1")
        case "subject":
            await tokens.revoke_subject(ACTOR, "alice", "corp")
        case _:
            await tokens.revoke_token(ACTOR, token)
    report = await report_on(world, token)
    assert told(report).popitem() == ("revocation", "refuses")
    assert f"by its {kind} (rev_" in report.steps[-1].because
    assert told(await report_on(world, signed(jti="jti-2", sub="bob")))["revocation"] == "passes"


@pytest.mark.parametrize("presented", [OPAQUE, b"a.b", signed()], ids=["opaque", "dot", "jwt"])
async def test_only_an_issuer_that_is_asked_can_tell_of_an_opaque_token(world: World, presented: bytes) -> None:
    report = await report_on(world, presented, ASKED)
    assert told(report) == {"form": "passes", "issuer": "depends", "revocation": "passes"}
    assert (report.is_accepted, report_view(report)["form"]) == (None, "opaque")
    await manage(world, ASKED).revoke_token(ACTOR, presented)
    assert (await report_on(world, presented, ASKED)).is_accepted is False


async def test_an_opaque_token_is_refused_where_nobody_is_asked(world: World) -> None:
    report = await report_on(world, OPAQUE)
    assert told(report) == {"form": "passes", "issuer": "refuses"}


async def test_a_jwt_of_nobody_is_asked_about_where_somebody_is(world: World) -> None:
    token = signed(iss="https://elsewhere.example")
    assert told(await report_on(world, token)) == {"form": "passes", "issuer": "refuses"}
    asked = await report_on(world, token, CORP, ASKED)
    assert told(asked) == {"form": "passes", "issuer": "depends", "revocation": "passes"}
    assert report_view(asked)["form"] == "jwt"
    await manage(world, CORP, ASKED).revoke_token(ACTOR, token)
    assert (await report_on(world, token, CORP, ASKED)).is_accepted is False


@pytest.mark.parametrize(
    "presented",
    [b"a.b.c", b"..", b"eyJhbGciOiJub25lIn0.e30.", b"x" * 9000 + b".."],
    ids=["letters", "dots", "none", "long"],
)
async def test_a_jwt_that_cannot_be_read_says_why_and_nothing_else(world: World, presented: bytes) -> None:
    report = await report_on(world, presented)
    assert told(report) == {"form": "refuses"}
    assert report_view(report)["form"] == "unreadable"


def test_there_are_words_for_every_reason_and_each_belongs_to_a_check() -> None:
    reasons = set(get_args(WhyRejected))
    for why in (*reasons, "expired"):
        assert why_words(why, CORP)
        assert "{" not in why_words(why, CORP)
    of_form = {"size", "form", "encoding", "header", "algorithm", "key_id", "token_type", "extension", "payload"}
    assert {why for check in CHECKS for why in check.reasons} == (reasons - of_form) | {"expired"}
    assert all("{" not in why_words(why) for why in of_form)


@given(
    st.fixed_dictionaries({}, optional={
        "aud": st.sampled_from(["orders", "billing", ["orders", 1], ["x", "orders"]]),
        "sub": st.sampled_from(["alice", "", None, 7]),
        "jti": st.sampled_from(["j", "", 7]),
        "exp": st.sampled_from([NOW - 31, NOW - 30, NOW, NOW + 86430, NOW + 86431, None, True, "x"]),
        "nbf": st.sampled_from([NOW + 30, NOW + 31, "x"]),
        "iat": st.sampled_from([NOW + 31, NOW - 10**6, None]),
        "cnf": st.just({}),
        "nonce": st.just("n"),
    })
)  # fmt: skip
async def test_the_report_and_the_gateway_agree(changes: dict[str, Any]) -> None:
    token = signed(**changes)
    parsed = parse_compact(token)
    assert isinstance(parsed, UnverifiedToken)
    verdict = check_claims(parsed, CORP, NOW)
    report = await report_on(World(), token)
    assert report.is_accepted == isinstance(verdict, Claims)
    if isinstance(verdict, Expired):
        assert report.steps[-1].check == "times"


@given(st.binary(max_size=300))
async def test_whatever_is_presented_is_answered(presented: bytes) -> None:
    report = await report_on(World(), presented, CORP, ASKED)
    assert report.is_accepted is not True
    assert report.steps
