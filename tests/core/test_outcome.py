"""Refusals as answers: status, problem body, challenge, and nothing a stranger may not know."""

from __future__ import annotations

import json

import pytest

from gateway_auth.core.decision import REASONS, Deny, Reason
from gateway_auth.core.limits import LimitOutcome, LimitSet
from gateway_auth.core.outcome import Outcome, challenges, deny_outcome, problem
from gateway_auth.core.policy import Policy
from gateway_auth.core.principal import ANONYMOUS
from tests.fakes import limit

STATUSES = {
    "malformed_request": 400, "ambiguous_credentials": 400, "credential_in_url": 401, "credential_required": 401,
    "invalid_credential": 401, "credential_expired": 401, "credential_disabled": 401, "credential_revoked": 401,
    "https_required": 403, "network_not_allowed": 403, "referrer_not_allowed": 403, "application_not_allowed": 403,
    "request_not_allowed": 403, "insufficient_scope": 403, "insufficient_role": 403, "no_matching_route": 403,
    "body_too_large": 413, "rate_limited": 429, "too_many_failures": 429, "upstream_unavailable": 502,
    "upstream_timeout": 504, "dependency_unavailable": 503,
}  # fmt: skip

KEYS_ONLY = Policy(id="keys", path="/")
TOKENS_ONLY = Policy(id="tokens", path="/", credentials=frozenset(("jwt",)))


def values(outcome: Outcome, name: bytes) -> list[str]:
    return [value.decode() for key, value in outcome.headers if key == name]


def answer(deny: Deny) -> Outcome:
    return deny_outcome(deny, "orders", "req-1")


def test_every_reason_has_its_status_and_its_words() -> None:
    assert {str(reason): text.status for reason, text in REASONS.items()} == STATUSES
    assert set(REASONS) == set(Reason)
    for text in REASONS.values():
        assert text.title
        assert text.detail.endswith(".")


@pytest.mark.parametrize("reason", Reason)
def test_an_answer_is_a_problem_document(reason: Reason) -> None:
    outcome = answer(Deny(reason))
    body = json.loads(outcome.body)
    assert body.keys() == {"type", "title", "status", "detail", "code", "request_id"}
    assert (body["code"], body["status"], body["request_id"]) == (str(reason), outcome.status, "req-1")
    assert outcome.status == STATUSES[str(reason)]
    assert values(outcome, b"content-type") == ["application/problem+json"]
    assert values(outcome, b"content-length") == [str(len(outcome.body))]
    assert values(outcome, b"cache-control") == ["no-store"]
    assert values(outcome, b"x-request-id") == ["req-1"]
    assert all(name == name.lower() for name, _ in outcome.headers)


def test_the_type_is_ours_except_for_the_registered_one() -> None:
    assert json.loads(problem(Reason.CREDENTIAL_EXPIRED, ""))["type"] == "urn:gateway-auth:problem:credential_expired"
    assert json.loads(problem(Reason.RATE_LIMITED, ""))["type"].endswith("#quota-exceeded")


def test_a_detail_of_its_own_replaces_the_reasons() -> None:
    assert json.loads(answer(Deny(Reason.MALFORMED_REQUEST, detail="Odd.")).body)["detail"] == "Odd."


@pytest.mark.parametrize("reason", [reason for reason in Reason if STATUSES[str(reason)] == 401])
def test_every_401_carries_challenges(reason: Reason) -> None:
    bearer, api_key = values(answer(Deny(reason, KEYS_ONLY)), b"www-authenticate")
    error = "" if reason is Reason.CREDENTIAL_REQUIRED else ', error="invalid_token"'
    assert bearer == f'Bearer realm="orders"{error}'
    assert api_key == 'ApiKey realm="orders"'


def test_where_no_keys_are_accepted_none_are_asked_for() -> None:
    assert values(answer(Deny(Reason.CREDENTIAL_REQUIRED, TOKENS_ONLY)), b"www-authenticate") == [
        'Bearer realm="orders"'
    ]


def test_a_401_before_any_route_asks_for_both() -> None:
    assert len(challenges(Deny(Reason.CREDENTIAL_IN_URL), "orders")) == 2


def test_two_credentials_are_an_invalid_request() -> None:
    assert values(answer(Deny(Reason.AMBIGUOUS_CREDENTIALS, KEYS_ONLY)), b"www-authenticate") == [
        'Bearer realm="orders", error="invalid_request"'
    ]


SCOPES: dict[str, tuple[Policy | None, str]] = {
    "all of": (Policy(id="p", path="/", scopes=frozenset(("b", "a"))), "a b"),
    "any of": (Policy(id="p", path="/", any_scopes=frozenset(("c", "b"))), "b c"),
    "no policy": (None, ""),
}


@pytest.mark.parametrize(("policy", "scope"), SCOPES.values(), ids=SCOPES)
def test_a_missing_scope_is_named(policy: Policy | None, scope: str) -> None:
    assert values(answer(Deny(Reason.INSUFFICIENT_SCOPE, policy, ANONYMOUS)), b"www-authenticate") == [
        f'Bearer realm="orders", error="insufficient_scope", scope="{scope}"'
    ]


def test_a_check_inside_the_app_names_its_own_scopes() -> None:
    demands = Policy(id="p", path="/", scopes=frozenset("a"))
    denial = Deny(Reason.INSUFFICIENT_SCOPE, demands, ANONYMOUS, needed_scopes=frozenset(("z", "y")))
    assert values(answer(denial), b"www-authenticate") == [
        'Bearer realm="orders", error="insufficient_scope", scope="y z"'
    ]


def test_a_caller_who_has_all_but_one_of_any_is_told_what_is_missing() -> None:
    """A challenge that names only scopes the caller already has tells nothing about how to get in."""
    demands = Policy(id="p", path="/", scopes=frozenset("a"), any_scopes=frozenset(("x", "y")))
    ((_, challenge),) = challenges(Deny(Reason.INSUFFICIENT_SCOPE, demands, ANONYMOUS), "orders")
    assert {"x", "y"} & set(challenge.decode().partition('scope="')[2].rstrip('"').split())


def test_a_challenge_tells_where_the_issuer_is_found() -> None:
    address = "https://api.example/.well-known/oauth-protected-resource"
    outcome = deny_outcome(Deny(Reason.CREDENTIAL_REQUIRED, KEYS_ONLY), "orders", "req-1", address)
    assert values(outcome, b"www-authenticate") == [
        f'Bearer realm="orders", resource_metadata="{address}"',
        'ApiKey realm="orders"',
    ]


@pytest.mark.parametrize(
    "reason",
    [
        reason
        for reason in Reason
        if STATUSES[str(reason)] not in (401,) and "scope" not in reason and "ambig" not in reason
    ],
)
def test_other_refusals_challenge_nobody(reason: Reason) -> None:
    assert challenges(Deny(reason, KEYS_ONLY), "orders") == ()


def test_a_wait_is_told() -> None:
    outcome = answer(Deny(Reason.TOO_MANY_FAILURES, KEYS_ONLY, retry_after_seconds=17))
    assert values(outcome, b"retry-after") == ["17"]
    assert values(answer(Deny(Reason.NO_MATCHING_ROUTE)), b"retry-after") == []


def test_a_rate_limited_answer_names_the_limits_and_those_that_refused() -> None:
    limits = LimitSet((limit("per-key", "100/minute"), limit("daily", "1000/day fixed")))
    taken = LimitOutcome(False, (0, 17, 3, 9), 17, ("per-key",))
    outcome = answer(
        Deny(Reason.RATE_LIMITED, KEYS_ONLY, ANONYMOUS, retry_after_seconds=17, limits=limits, outcome=taken)
    )
    assert json.loads(outcome.body)["violated-policies"] == ["per-key"]
    assert values(outcome, b"ratelimit-policy") == ['"per-key";q=100;w=60, "daily";q=1000;w=86400']
    assert values(outcome, b"ratelimit") == ['"per-key";r=0;t=17, "daily";r=3;t=9']
    assert values(outcome, b"retry-after") == ["17"]


def test_answers_to_strangers_differ_in_nothing_but_the_request_id() -> None:
    answers = {answer(Deny(Reason.INVALID_CREDENTIAL, KEYS_ONLY)) for _ in range(3)}
    assert len(answers) == 1
