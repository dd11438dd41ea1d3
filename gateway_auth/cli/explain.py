"""What a request would meet, check by check, in the order they are asked. Pure: it reads no credential and no store.

It asks what the engine asks; what only a real request can tell stands as "depends".
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway_auth.cli.explain_given import Given
from gateway_auth.cli.explain_key import explain_key
from gateway_auth.cli.explanation import Explanation, Step, result_of
from gateway_auth.cli.rate_words import rate_words
from gateway_auth.core.decision import Reason
from gateway_auth.core.keyformat import find_admin_id
from gateway_auth.core.keys import VerifiedKey
from gateway_auth.core.malformed import Malformed
from gateway_auth.core.network import Address
from gateway_auth.core.path import canonical_path
from gateway_auth.core.policy import Policy
from gateway_auth.core.redaction import redacted
from gateway_auth.core.ruleset import RuleSet

NOTHING = Given()


def explain_request(
    rules: RuleSet, method: str, target: str, key: VerifiedKey | None = None, now: float = 0.0, given: Given = NOTHING
) -> Explanation:
    """What `method` on `target`, a path with or without a query, meets; with this key, and what else is given."""
    path, _, query = target.partition("?")
    canonical = canonical_path(path.encode("utf-8", "surrogateescape"))
    if isinstance(canonical, Malformed):
        step = Step("request", "refuses", canonical.detail, Reason.MALFORMED_REQUEST)
        return Explanation(method, redacted(path), steps=[step])
    policy = rules.routes.match(method, canonical)
    explanation = Explanation(method, redacted(canonical), policy)
    of_key = explain_key(policy, key, given.facts(method, canonical), now, given) if policy is not None else iter(())
    for step in (
        *_up_to_route(rules, method, path, canonical, policy, given),
        *(_on_route(rules, policy, query, of_key, given) if policy is not None else ()),
    ):
        explanation.steps.append(step)
        if step.result == "refuses":
            break
    return explanation


def _up_to_route(  # what there is to say about a request
    rules: RuleSet, method: str, path: str, canonical: str, policy: Policy | None, given: Given
) -> Iterator[Step]:
    form = "it is in its plain form" if canonical == path else f"it is judged and forwarded as {redacted(canonical)}"
    yield Step("request", "passes", form)
    if rules.is_https_required:
        yield Step("https", result_of(given.is_https), "it must arrive over HTTPS", Reason.HTTPS_REQUIRED)
    if policy is None:
        yield Step("route", "refuses", _why_no_route(rules, canonical), Reason.NO_MATCHING_ROUTE)
        return
    preflight = "; a CORS preflight falls under the route of the method it asks for" * (method == "OPTIONS")
    yield Step("route", "passes", f"{policy.id} ({policy.path}) is the most specific for it{preflight}")


def _why_no_route(rules: RuleSet, path: str) -> str:
    methods = sorted({name for policy in rules.policies for name in policy.methods or ()})
    others = [name for name in methods if rules.routes.match(name, path) is not None]
    return f"the routes of this path are for {', '.join(others)}" if others else "no route is for this path"


def _on_route(rules: RuleSet, policy: Policy, query: str, of_key: Iterator[Step], given: Given) -> Iterator[Step]:
    allowed, denied = policy.allow_networks.texts, policy.deny_networks.texts
    words = [f"from {', '.join(allowed)}"] * bool(allowed) + [f"not from {', '.join(denied)}"] * bool(denied)
    if words:
        result = result_of(_is_allowed(policy, given.client) if given.client is not None else None)
        yield Step("networks", result, " and ".join(words), Reason.NETWORK_NOT_ALLOWED)
    else:
        yield Step("networks", "passes", "the route names none")
    if policy.access != "public" and rules.brake is not None:
        because = f"from one address, bad credentials at most {rate_words(rules.brake)}"
        yield Step("failed-auth brake", "depends", because, Reason.TOO_MANY_FAILURES)
    text = query.encode("utf-8", "surrogateescape")
    if rules.key_format.find(text) is not None or find_admin_id(text) is not None:
        yield Step("query", "refuses", "it carries what looks like a key", Reason.CREDENTIAL_IN_URL)
    yield from of_key


def _is_allowed(policy: Policy, client: Address) -> bool:
    is_named = not policy.allow_networks.texts or client in policy.allow_networks
    return is_named and client not in policy.deny_networks
