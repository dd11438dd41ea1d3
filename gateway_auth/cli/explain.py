"""What a request would meet, check by check, in the order they are asked. Pure: it reads no credential and no store.

It asks the functions the engine asks; what only a real request can tell stands as "depends".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct, field

from gateway_auth.cli.output import redacted
from gateway_auth.cli.rate_words import rate_words
from gateway_auth.core.decide import key_state
from gateway_auth.core.decision import REASONS, Reason
from gateway_auth.core.keys import VerifiedKey
from gateway_auth.core.limits import NO_LIMITS
from gateway_auth.core.malformed import Malformed
from gateway_auth.core.path import canonical_path
from gateway_auth.core.policy import Policy
from gateway_auth.core.ruleset import RuleSet

Result = Literal["passes", "depends", "refuses"]


class Step(Struct, frozen=True):
    """One check: what it says of this request, and why. `reason` is what a refusal would be called."""

    check: str
    result: Result
    because: str
    reason: Reason | None = None


class Explanation(Struct):
    """The checks up to the first that refuses whatever else the request brings."""

    method: str
    path: str
    policy: Policy | None = None
    steps: list[Step] = field(default_factory=list)

    @property
    def refusal(self) -> Step | None:
        """The check that refuses, if one does already."""
        return next((step for step in self.steps if step.result == "refuses"), None)

    def summary(self) -> str:
        """One line."""
        request = f"{self.method} {self.path}"
        if self.refusal is not None and self.refusal.reason is not None:
            status = REASONS[self.refusal.reason].status
            return f"{request} is refused: {status} {self.refusal.reason}"
        return f"{request} falls under route {self.policy.id if self.policy else ''}"

    def view(self) -> dict[str, object]:
        """For JSON."""
        refusal = self.refusal
        return {
            "method": self.method,
            "path": self.path,
            "route": route_view(self.policy) if self.policy is not None else None,
            "refused": None if refusal is None else refusal.reason,
            "status": None if refusal is None or refusal.reason is None else REASONS[refusal.reason].status,
            "checks": [
                {"check": step.check, "result": step.result, "because": step.because, "reason": step.reason}
                for step in self.steps
            ],
        }


def explain_request(
    rules: RuleSet, method: str, target: str, key: VerifiedKey | None = None, now: float = 0.0
) -> Explanation:
    """What `method` on `target`, a path with or without a query, meets; with this key, where one is given."""
    path, _, query = target.partition("?")
    canonical = canonical_path(path.encode("utf-8", "surrogateescape"))
    if isinstance(canonical, Malformed):
        step = Step("request", "refuses", canonical.detail, Reason.MALFORMED_REQUEST)
        return Explanation(method, redacted(path), steps=[step])
    policy = rules.routes.match(method, canonical)
    explanation = Explanation(method, redacted(canonical), policy)
    for step in _steps(rules, method, path, canonical, query, policy, key, now):
        explanation.steps.append(step)
        if step.result == "refuses":
            break
    return explanation


def _steps(
    rules: RuleSet, method: str, path: str, canonical: str, query: str, policy: Policy | None,
    key: VerifiedKey | None, now: float,
) -> Iterator[Step]:  # fmt: skip
    same = "it is in its one plain form" if canonical == path else f"it is judged and forwarded as {canonical}"
    yield Step("request", "passes", same)
    if rules.is_https_required:
        yield Step("https", "depends", "it must arrive over HTTPS", Reason.HTTPS_REQUIRED)
    if policy is None:
        yield Step("route", "refuses", _why_no_route(rules, canonical), Reason.NO_MATCHING_ROUTE)
        return
    preflight = "; a CORS preflight falls under the route of the method it asks for" * (method == "OPTIONS")
    yield Step("route", "passes", f"{policy.id} is the most specific for it{preflight}")
    yield from _before_credential(rules, policy, query)
    yield from _credential(policy, key, method, canonical, now)
    yield from _authorization(policy, key, now)
    yield _limits(policy, key)


def _why_no_route(rules: RuleSet, path: str) -> str:
    methods = sorted({name for policy in rules.policies for name in policy.methods or ()})
    others = [name for name in methods if rules.routes.match(name, path) is not None]
    return f"the routes of this path are for {', '.join(others)}" if others else "no route is for this path"


def _before_credential(rules: RuleSet, policy: Policy, query: str) -> Iterator[Step]:
    allowed, denied = policy.allow_networks.texts, policy.deny_networks.texts
    words = [f"from {', '.join(allowed)}"] * bool(allowed) + [f"not from {', '.join(denied)}"] * bool(denied)
    if words:
        yield Step("networks", "depends", " and ".join(words), Reason.NETWORK_NOT_ALLOWED)
    else:
        yield Step("networks", "passes", "the route names none")
    if policy.access != "public" and rules.brake is not None:
        because = f"an address may fail {rate_words(rules.brake)}"
        yield Step("failed-auth brake", "depends", because, Reason.TOO_MANY_FAILURES)
    if rules.key_format.find(query.encode()) is not None:
        yield Step("query", "refuses", "it carries what looks like a key", Reason.CREDENTIAL_IN_URL)


def _credential(policy: Policy, key: VerifiedKey | None, method: str, path: str, now: float) -> Iterator[Step]:
    if policy.access == "public":
        yield Step("credential", "passes", "the route is public: none is looked at")
        return
    kinds = ", ".join(sorted(policy.credentials))
    if key is None:
        absent = "none passes as anonymous, a bad one never" if policy.access == "optional" else "one is required"
        yield Step("credential", "depends", f"{absent}; accepted: {kinds}", Reason.CREDENTIAL_REQUIRED)
        yield Step("key state", "depends", "active, begun, not expired; its app active", Reason.CREDENTIAL_DISABLED)
        yield Step("key restrictions", "depends", "those of the key, if it has any", Reason.NETWORK_NOT_ALLOWED)
        return
    yield Step("credential", "depends", f"the secret of key {key.record.id}", Reason.INVALID_CREDENTIAL)
    denial = key_state(policy, key, now)
    if denial is not None:
        yield Step("key state", "refuses", f"key {key.record.status}, app {key.app.status}", denial.reason)
        return
    yield Step("key state", "passes", "the key and its app are active")
    yield from _restrictions(key, method, path)


def _restrictions(key: VerifiedKey, method: str, path: str) -> Iterator[Step]:
    record, rules = key.record, key.restrictions
    if rules is None:
        yield Step("key restrictions", "passes", "the key has none")
        return
    for check, words, reason in (
        ("key networks", (*record.allow_networks, *(f"not {text}" for text in record.deny_networks)), Reason.NETWORK_NOT_ALLOWED),
        ("key referrers", record.allow_referrers, Reason.REFERRER_NOT_ALLOWED),
        ("key applications", (*record.allow_android, *record.allow_ios), Reason.APPLICATION_NOT_ALLOWED),
    ):  # fmt: skip
        if words:
            yield Step(check, "depends", ", ".join(words), reason)
    if rules.requests:
        is_one = any(pattern.matches(method, path) for pattern in rules.requests)
        result: Result = "passes" if is_one else "refuses"
        yield Step("key requests", result, f"the key is for {', '.join(record.allow_requests)}", Reason.REQUEST_NOT_ALLOWED)


def _authorization(policy: Policy, key: VerifiedKey | None, now: float) -> Iterator[Step]:
    if policy.referrers:
        pages = ", ".join(pattern.text for pattern in policy.referrers)
        yield Step("referrers", "depends", f"from {pages}", Reason.REFERRER_NOT_ALLOWED)
    principal = None if key is None else key.principal_at(now)
    for check, title, demanded, reason in (
        ("scopes", "all of", policy.scopes, Reason.INSUFFICIENT_SCOPE),
        ("scopes", "one of", policy.any_scopes, Reason.INSUFFICIENT_SCOPE),
        ("roles", "one of", policy.roles, Reason.INSUFFICIENT_ROLE),
    ):
        if not demanded:
            continue
        because = f"{title} {', '.join(sorted(demanded))}"
        if principal is None:
            yield Step(check, "depends", because, reason)
            continue
        held, covers = (principal.roles, not principal.roles.isdisjoint(demanded)) if check == "roles" else (
            principal.scopes,
            principal.granted.covers_all(demanded) if title == "all of" else principal.granted.covers_any(demanded),
        )  # fmt: skip
        has = f"; the key has {', '.join(sorted(held)) or 'none'}"
        yield Step(check, "passes" if covers else "refuses", because + has, reason)
    if not policy.demands_authorization:
        yield Step("scopes and roles", "passes", "the route demands none")


def _limits(policy: Policy, key: VerifiedKey | None) -> Step:
    limits = [*policy.limits.limits, *(key.limits if key is not None else NO_LIMITS).limits]
    words = [f"{limit.id}: {rate_words(limit.rate)} by {limit.by}" for limit in limits]
    if key is None and policy.access != "public":
        words.append("and those of the app's plan")
    if not words:
        return Step("limits", "passes", "there are none")
    return Step("limits", "depends", "; ".join(words), Reason.RATE_LIMITED)


def route_view(policy: Policy) -> dict[str, object]:
    """A route with everything it says."""
    return {
        "id": policy.id,
        "path": policy.path,
        "methods": _listed(policy.methods) if policy.methods is not None else None,
        "access": policy.access,
        "credentials": _listed(policy.credentials),
        "scopes": _listed(policy.scopes),
        "any_scopes": _listed(policy.any_scopes),
        "roles": _listed(policy.roles),
        "allow_networks": list(policy.allow_networks.texts),
        "deny_networks": list(policy.deny_networks.texts),
        "allow_referrers": [pattern.text for pattern in policy.referrers],
        "limits": [
            {"id": limit.id, "rate": rate_words(limit.rate), "by": limit.by, "cost": limit.cost}
            for limit in policy.limits.limits
        ],
        "upstream": policy.upstream,
        "websocket": policy.is_websocket,
        "mode": "shadow" if policy.is_shadow else "enforce",
    }


def _listed(values: Iterable[str]) -> list[str]:
    return sorted(values)
