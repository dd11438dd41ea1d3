"""The verdict on a request: Allow or Deny with a reason. Absence of a verdict does not exist."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from gateway_auth.core.limits import NO_LIMITS, LimitOutcome, LimitSet
from gateway_auth.core.policy import Policy
from gateway_auth.core.principal import Principal


class Reason(StrEnum):
    """Why a request is refused: stable slugs, the `code` of every error answer."""

    MALFORMED_REQUEST = "malformed_request"
    AMBIGUOUS_CREDENTIALS = "ambiguous_credentials"
    CREDENTIAL_IN_URL = "credential_in_url"
    CREDENTIAL_REQUIRED = "credential_required"
    INVALID_CREDENTIAL = "invalid_credential"
    CREDENTIAL_EXPIRED = "credential_expired"
    CREDENTIAL_DISABLED = "credential_disabled"
    CREDENTIAL_REVOKED = "credential_revoked"
    HTTPS_REQUIRED = "https_required"
    NETWORK_NOT_ALLOWED = "network_not_allowed"
    REFERRER_NOT_ALLOWED = "referrer_not_allowed"
    APPLICATION_NOT_ALLOWED = "application_not_allowed"
    REQUEST_NOT_ALLOWED = "request_not_allowed"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    INSUFFICIENT_ROLE = "insufficient_role"
    NO_MATCHING_ROUTE = "no_matching_route"
    BODY_TOO_LARGE = "body_too_large"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_FAILURES = "too_many_failures"
    UPSTREAM_UNAVAILABLE = "upstream_unavailable"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    DEPENDENCY_UNAVAILABLE = "dependency_unavailable"


class ReasonText(NamedTuple):
    """How a reason is told to a client. `detail` says what to do and nothing about secrets."""

    status: int
    title: str
    detail: str


REASONS: dict[Reason, ReasonText] = {
    Reason.MALFORMED_REQUEST: ReasonText(400, "Malformed request", "The request cannot be read without guessing."),
    Reason.AMBIGUOUS_CREDENTIALS: ReasonText(
        400, "Ambiguous credentials", "More than one credential was presented; send exactly one."
    ),
    Reason.CREDENTIAL_IN_URL: ReasonText(
        401,
        "Credential in URL",
        "A URL carries an API key, where logs keep it. Replace that key, and send keys in a header.",
    ),
    Reason.CREDENTIAL_REQUIRED: ReasonText(
        401, "Credential required", "Present an API key or a bearer token, as the WWW-Authenticate header says."
    ),
    Reason.INVALID_CREDENTIAL: ReasonText(401, "Invalid credential", "The credential is not valid here."),
    Reason.CREDENTIAL_EXPIRED: ReasonText(401, "Credential expired", "The credential has expired; ask for a new one."),
    Reason.CREDENTIAL_DISABLED: ReasonText(
        401, "Credential disabled", "The credential is switched off or not valid yet; ask its owner."
    ),
    Reason.CREDENTIAL_REVOKED: ReasonText(401, "Credential revoked", "The credential was revoked; ask for a new one."),
    Reason.HTTPS_REQUIRED: ReasonText(
        403, "HTTPS required", "Send the request over HTTPS, with a new credential if one was sent."
    ),
    Reason.NETWORK_NOT_ALLOWED: ReasonText(
        403, "Network not allowed", "Requests from this network address are not allowed."
    ),
    Reason.REFERRER_NOT_ALLOWED: ReasonText(
        403, "Referrer not allowed", "Requests from this web page are not allowed."
    ),
    Reason.APPLICATION_NOT_ALLOWED: ReasonText(
        403, "Application not allowed", "Requests from this application are not allowed."
    ),
    Reason.REQUEST_NOT_ALLOWED: ReasonText(403, "Request not allowed", "This kind of request is not allowed here."),
    Reason.INSUFFICIENT_SCOPE: ReasonText(
        403, "Insufficient scope", "The credential lacks a scope this request needs."
    ),
    Reason.INSUFFICIENT_ROLE: ReasonText(403, "Insufficient role", "The credential lacks a role this request needs."),
    Reason.NO_MATCHING_ROUTE: ReasonText(403, "No matching route", "No route is configured for this method and path."),
    Reason.BODY_TOO_LARGE: ReasonText(413, "Body too large", "The request body is larger than this gateway accepts."),
    Reason.RATE_LIMITED: ReasonText(429, "Rate limited", "Too many requests; wait as long as Retry-After says."),
    Reason.TOO_MANY_FAILURES: ReasonText(
        429, "Too many failures", "Too many invalid credentials from this address; wait as long as Retry-After says."
    ),
    Reason.UPSTREAM_UNAVAILABLE: ReasonText(
        502, "Upstream unavailable", "The service behind this gateway did not answer usably."
    ),
    Reason.UPSTREAM_TIMEOUT: ReasonText(
        504, "Upstream timeout", "The service behind this gateway did not answer in time."
    ),
    Reason.DEPENDENCY_UNAVAILABLE: ReasonText(
        503, "Dependency unavailable", "The credential cannot be checked right now; try again after Retry-After."
    ),
}


class Deny(Struct, frozen=True):
    """Refused. `policy` is None where no route was found, `principal` where none was proven.

    `detail` replaces the reason's text; `limits` and `outcome` belong together and tell which limits were looked at.
    `exposed_key_id` and `exposed_admin_id` name what looked like a secret of ours in the URL; nothing of it is proven.
    `needed_scopes` are those of a check inside the app; the policy's own are meant where it is empty.
    """

    reason: Reason
    policy: Policy | None = None
    principal: Principal | None = None
    detail: str = ""
    retry_after_seconds: int = 0
    limits: LimitSet = NO_LIMITS
    outcome: LimitOutcome | None = None
    exposed_key_id: str | None = None
    exposed_admin_id: str | None = None
    needed_scopes: frozenset[str] = frozenset()


class Allow(Struct, frozen=True, gc=False):
    """Admitted, as `principal` (the anonymous one on public and optional routes).

    `shadowed` is what a route in shadow mode would have refused. `is_degraded` tells that something the decision
    stands on was unreachable: the store, and older facts were used, or the counters all nodes share.
    """

    policy: Policy
    principal: Principal
    limits: LimitSet = NO_LIMITS
    outcome: LimitOutcome | None = None
    shadowed: Reason | None = None
    is_degraded: bool = False


Decision = Allow | Deny
