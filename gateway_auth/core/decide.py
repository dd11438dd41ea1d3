"""The ordered checks. Each is asked on every request, whether its principal came from a cache or not."""

from __future__ import annotations

from bisect import bisect_right

from gateway_auth.core.decision import Deny, Reason
from gateway_auth.core.headers import ORIGIN, REFERER
from gateway_auth.core.keys import Restrictions, VerifiedKey, status_at
from gateway_auth.core.policy import Policy
from gateway_auth.core.principal import Principal
from gateway_auth.core.referrer import is_referrer_allowed
from gateway_auth.core.request import RequestFacts


def before_verify(policy: Policy, facts: RequestFacts) -> Deny | None:
    """What can be refused before a hash or a signature is spent on the request."""
    networks, client = policy.networks, facts.client
    if networks is not None and (client is None or not bisect_right(networks, client) & 1):
        return Deny(Reason.NETWORK_NOT_ALLOWED, policy)
    if facts.is_websocket and not policy.is_websocket:
        return Deny(Reason.REQUEST_NOT_ALLOWED, policy, detail="This route accepts no WebSocket.")
    return None


def unusable_reason(key: VerifiedKey, now: float) -> Reason:
    """Why a key whose secret was right cannot be used at this moment."""
    status = status_at(key.record, now)
    if status == "revoked":
        return Reason.CREDENTIAL_REVOKED
    if status == "expired":
        return Reason.CREDENTIAL_EXPIRED
    return Reason.CREDENTIAL_DISABLED


def key_restrictions(policy: Policy, rules: Restrictions, principal: Principal, facts: RequestFacts) -> Deny | None:
    """Where the key works: networks, web pages, mobile apps, requests; in that order."""
    if not rules.is_network_allowed(facts.client):
        return Deny(Reason.NETWORK_NOT_ALLOWED, policy, principal)
    if not rules.is_referrer_allowed(facts):
        return Deny(Reason.REFERRER_NOT_ALLOWED, policy, principal)
    if not rules.is_application_allowed(facts):
        return Deny(Reason.APPLICATION_NOT_ALLOWED, policy, principal)
    if not rules.is_request_allowed(facts):
        return Deny(Reason.REQUEST_NOT_ALLOWED, policy, principal)
    return None


def authorization(policy: Policy, principal: Principal, facts: RequestFacts) -> Deny | None:
    """The route's web pages, then scopes, then roles. What a policy demands is never met by an anonymous caller."""
    headers = facts.headers
    if policy.referrers and not is_referrer_allowed(policy.referrers, headers.get(ORIGIN), headers.get(REFERER)):
        return Deny(Reason.REFERRER_NOT_ALLOWED, policy, principal)
    if not policy.demands_authorization:
        return None
    granted = principal.granted
    if not (policy.scopes <= granted.exact or granted.covers_all(policy.scopes)):
        return Deny(Reason.INSUFFICIENT_SCOPE, policy, principal)
    if policy.any_scopes and not granted.covers_any(policy.any_scopes):
        return Deny(Reason.INSUFFICIENT_SCOPE, policy, principal)
    if policy.roles and policy.roles.isdisjoint(principal.roles):
        return Deny(Reason.INSUFFICIENT_ROLE, policy, principal)
    return None
