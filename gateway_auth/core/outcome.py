"""A decision in HTTP terms: status, challenge, RateLimit fields and body. It sends nothing."""

from __future__ import annotations

import json

from msgspec import Struct

from gateway_auth.core.decision import REASONS, Deny, Reason
from gateway_auth.core.limits import LimitOutcome, LimitSet
from gateway_auth.core.principal import HeaderList

PROBLEM_TYPE = "urn:gateway-auth:problem:"
QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
DEPENDENCY_RETRY_SECONDS = 1

_WITH_INVALID_TOKEN = frozenset(
    (
        Reason.INVALID_CREDENTIAL,
        Reason.CREDENTIAL_IN_URL,
        Reason.CREDENTIAL_EXPIRED,
        Reason.CREDENTIAL_DISABLED,
        Reason.CREDENTIAL_REVOKED,
    )
)


class Outcome(Struct, frozen=True):
    """An answer ready to be sent."""

    status: int
    headers: HeaderList
    body: bytes


def problem(reason: Reason, request_id: str, *, detail: str = "", extra: dict[str, object] | None = None) -> bytes:
    """The problem+json body (RFC 9457) of a reason."""
    text = REASONS[reason]
    members: dict[str, object] = {
        "type": QUOTA_EXCEEDED if reason is Reason.RATE_LIMITED else PROBLEM_TYPE + reason,
        "title": text.title,
        "status": text.status,
        "detail": detail or text.detail,
        "code": str(reason),
        "request_id": request_id,
    }
    return json.dumps(members | (extra or {}), separators=(",", ":")).encode()


def deny_outcome(deny: Deny, realm: str, request_id: str, resource_metadata: str = "") -> Outcome:
    """The answer for a refused request. `resource_metadata` is the address told in challenges (RFC 9728)."""
    extra: dict[str, object] = {}
    if deny.outcome is not None and deny.outcome.violated:
        extra["violated-policies"] = list(deny.outcome.violated)
    body = problem(deny.reason, request_id, detail=deny.detail, extra=extra)
    headers: list[tuple[bytes, bytes]] = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-request-id", request_id.encode("ascii")),
        *challenges(deny, realm, resource_metadata),
    ]
    if deny.retry_after_seconds:
        headers.append((b"retry-after", b"%d" % deny.retry_after_seconds))
    if deny.outcome is not None:
        headers += limit_headers(deny.limits, deny.outcome)
    return Outcome(REASONS[deny.reason].status, tuple(headers), body)


def challenges(deny: Deny, realm: str, resource_metadata: str = "") -> HeaderList:
    """The WWW-Authenticate headers (RFC 6750 section 3): no `error` where no credential came."""
    status = REASONS[deny.reason].status
    error = ""
    if deny.reason in _WITH_INVALID_TOKEN:
        error = ', error="invalid_token"'
    elif deny.reason is Reason.AMBIGUOUS_CREDENTIALS:
        error = ', error="invalid_request"'
    elif deny.reason is Reason.INSUFFICIENT_SCOPE:
        error = f', error="insufficient_scope", scope="{_needed_scopes(deny)}"'
    if status != 401 and not error:
        return ()
    if resource_metadata:
        error += f', resource_metadata="{resource_metadata}"'
    bearer = (b"www-authenticate", f'Bearer realm="{realm}"{error}'.encode("ascii"))
    if status == 401 and (deny.policy is None or "api_key" in deny.policy.credentials):
        return bearer, (b"www-authenticate", f'ApiKey realm="{realm}"'.encode("ascii"))
    return (bearer,)


def _needed_scopes(deny: Deny) -> str:
    needed = deny.needed_scopes
    if not needed and deny.policy is not None:
        needed = deny.policy.scopes | deny.policy.any_scopes
    return " ".join(sorted(needed))


def limit_headers(limits: LimitSet, outcome: LimitOutcome) -> HeaderList:
    """RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-11)."""
    return limits.policy_header, (b"ratelimit", limits.status_format % outcome.status)
