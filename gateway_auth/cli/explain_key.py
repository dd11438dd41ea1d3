"""The part of an explanation that is about whoever sends the request: credential, state, restrictions, authority."""

from __future__ import annotations

from collections.abc import Iterator

from gateway_auth.cli.explain_given import Given
from gateway_auth.cli.explanation import Result, Step, result_of
from gateway_auth.cli.rate_words import rate_words
from gateway_auth.core.decide import unusable_reason
from gateway_auth.core.decision import Reason
from gateway_auth.core.headers import ORIGIN, REFERER
from gateway_auth.core.keys import VerifiedKey, status_at
from gateway_auth.core.limits import NO_LIMITS
from gateway_auth.core.policy import Policy
from gateway_auth.core.principal import Principal
from gateway_auth.core.referrer import is_referrer_allowed
from gateway_auth.core.request import RequestFacts


def explain_key(
    policy: Policy, key: VerifiedKey | None, facts: RequestFacts, now: float, given: Given
) -> Iterator[Step]:
    """From the credential to the limits; of a key that is given, what its record already decides."""
    if policy.access == "public":
        yield Step("credential", "passes", "the route is public: none is looked at")
    elif key is None:
        yield from _unknown(policy)
    else:
        yield from _known(policy, key, now)
        yield from _restrictions(key, facts, given)
    if policy.referrers:
        pages = ", ".join(pattern.text for pattern in policy.referrers)
        origin, referer = facts.headers.get(ORIGIN), facts.headers.get(REFERER)
        is_page = is_referrer_allowed(policy.referrers, origin, referer) if given.headers is not None else None
        yield Step("referrers", result_of(is_page), f"from {pages}", Reason.REFERRER_NOT_ALLOWED)
    yield from _authority(policy, key.principal_at(now) if key is not None else given.principal)
    yield _limits(policy, key)


def _unknown(policy: Policy) -> Iterator[Step]:
    absent = "none passes as anonymous, a bad one never" if policy.access == "optional" else "one is required"
    accepted = f"{absent}; accepted: {', '.join(sorted(policy.credentials))}"
    yield Step("credential", "depends", accepted, Reason.CREDENTIAL_REQUIRED)
    state = "it must be active, begun and not over, its app active"
    yield Step("key state", "depends", state, Reason.CREDENTIAL_DISABLED)
    yield Step("key restrictions", "depends", "networks, web pages, applications, requests: those of the key")


def _known(policy: Policy, key: VerifiedKey, now: float) -> Iterator[Step]:
    yield Step("credential", "depends", f"the secret of key {key.record.id} must be right", Reason.INVALID_CREDENTIAL)
    if key.is_active and key.usable_from <= now < key.usable_until:
        yield Step("key state", "passes", "the key and its app are active")
    else:
        because = f"the key is {status_at(key.record, now)}, its app {key.app.status}"
        yield Step("key state", "refuses", because, unusable_reason(key, now))


def _restrictions(key: VerifiedKey, facts: RequestFacts, given: Given) -> Iterator[Step]:
    record, rules = key.record, key.restrictions
    if rules is None:
        yield Step("key restrictions", "passes", "the key has none")
        return
    networks = (*record.allow_networks, *(f"not {text}" for text in record.deny_networks))
    is_network = rules.is_network_allowed(facts.client) if given.client is not None else None
    has_headers = given.headers is not None
    is_page = rules.is_referrer_allowed(facts) if has_headers else None
    is_app = rules.is_application_allowed(facts) if has_headers else None
    applications = (*record.allow_android, *record.allow_ios)
    for check, words, is_met, reason in (
        ("key networks", networks, is_network, Reason.NETWORK_NOT_ALLOWED),
        ("key referrers", record.allow_referrers, is_page, Reason.REFERRER_NOT_ALLOWED),
        ("key applications", applications, is_app, Reason.APPLICATION_NOT_ALLOWED),
    ):
        if words:
            yield Step(check, result_of(is_met), ", ".join(words), reason)
    if rules.requests:
        because = f"the key is for {', '.join(record.allow_requests)}"
        yield Step("key requests", result_of(rules.is_request_allowed(facts)), because, Reason.REQUEST_NOT_ALLOWED)


def _authority(policy: Policy, principal: Principal | None) -> Iterator[Step]:
    if not policy.demands_authorization:
        yield Step("scopes and roles", "passes", "the route demands none")
        return
    for title, scopes in (("all of", policy.scopes), ("one of", policy.any_scopes)):
        if scopes:
            because = f"{title} {', '.join(sorted(scopes))}"
            yield Step("scopes", _scopes_result(principal, scopes, title), because, Reason.INSUFFICIENT_SCOPE)
    if policy.roles:
        result = "depends" if principal is None else result_of(not policy.roles.isdisjoint(principal.roles))
        yield Step("roles", result, f"one of {', '.join(sorted(policy.roles))}", Reason.INSUFFICIENT_ROLE)


def _scopes_result(principal: Principal | None, scopes: frozenset[str], title: str) -> Result:
    if principal is None:
        return "depends"
    granted = principal.granted
    return result_of(granted.covers_all(scopes) if title == "all of" else granted.covers_any(scopes))


def _limits(policy: Policy, key: VerifiedKey | None) -> Step:
    limits = policy.limits.joined(key.limits if key is not None else NO_LIMITS)
    words = [f"{limit.id}: {rate_words(limit.rate)} by {limit.by}" for limit in limits.limits]
    words += [f"{limit.id}: {limit.slots} at once by {limit.by}" for limit in limits.slots]
    if key is None and policy.access != "public":
        words.append("those of the app's plan, if it has one")
    if not words:
        return Step("limits", "passes", "there are none")
    return Step("limits", "depends", "; ".join(words), Reason.RATE_LIMITED)
