"""What the admin plane answers when it does not do what was asked: problem+json (RFC 9457), from a closed set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from msgspec import Struct
from starlette.responses import Response

from gateway_auth.core.outcome import PROBLEM_TYPE
from gateway_auth.errors import (
    Conflict,
    Forbidden,
    GatewayAuthError,
    InvalidInput,
    LifecycleError,
    NotFound,
    Outdated,
    RepeatedOtherwise,
    StoreError,
)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 1
MAX_SHOWN = 64


class Kind(Struct, frozen=True):
    """A code's status, and its words."""

    status: int
    title: str
    detail: str


CODES: dict[str, Kind] = {
    "malformed_request": Kind(400, "Malformed request", "The request cannot be read in one way only."),
    "ambiguous_credentials": Kind(400, "Ambiguous credentials", "There is more than one Authorization header."),
    "credential_required": Kind(401, "Credential required", "Send an admin token: Authorization: Bearer gwadm_..."),
    "invalid_credential": Kind(401, "Invalid credential", "That is no admin token, or not one of this gateway."),
    "credential_disabled": Kind(401, "Credential disabled", "The admin this token belongs to is disabled."),
    "not_permitted": Kind(403, "Not permitted", "The token's role may not do this."),
    "not_found": Kind(404, "Not found", "There is no such thing here, or none this token may see."),
    "method_not_allowed": Kind(405, "Method not allowed", "Another method may be; see Allow."),
    "request_timeout": Kind(408, "Request timeout", "The body took too long to arrive."),
    "conflict": Kind(409, "Conflict", "The state of the object forbids it."),
    "precondition_failed": Kind(412, "Precondition failed", "The object is another than If-Match says."),
    "body_too_large": Kind(413, "Body too large", "A body may have 65536 bytes."),
    "uri_too_long": Kind(414, "URI too long", "Path and query may have 8192 bytes together."),
    "unsupported_media_type": Kind(415, "Unsupported media type", "Send application/json."),
    "misdirected_request": Kind(
        421, "Misdirected request",
        "Host names another server; use an address or localhost, or add the name to gateway.admin_hosts.",
    ),
    "invalid_input": Kind(422, "Invalid input", "A field or parameter has an unusable value."),
    "idempotency_key_reused": Kind(422, "Idempotency key reused", "It was used for another request."),
    "too_many_failures": Kind(429, "Too many failures", "Too many invalid credentials came from this address."),
    "header_too_large": Kind(431, "Header too large", "All header fields may have 16384 bytes together, and be 100."),
    "internal_error": Kind(500, "Internal error", "This is a bug; the log has more under this request id."),
    "dependency_unavailable": Kind(503, "Dependency unavailable", "The store cannot be reached; nothing was changed."),
}  # fmt: skip


class Refusal(Exception):
    """A request that is answered with a problem. `errors` are (field, message)."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        super().__init__(code)

    @property
    def status(self) -> int:
        """Of the answer."""
        return CODES[self.code].status


def refusal_of(error: GatewayAuthError) -> Refusal:
    """The refusal a use case's error means."""
    match error:
        case NotFound():
            return Refusal("not_found")
        case Forbidden():
            return Refusal("not_permitted", str(error))
        case Outdated():
            return Refusal("precondition_failed", str(error))
        case RepeatedOtherwise():
            return Refusal("idempotency_key_reused", str(error))
        case Conflict():
            return Refusal("conflict", str(error))
        case InvalidInput(field=field, message=message):
            return Refusal("invalid_input", errors=[(field, message)])
        case LifecycleError():
            return Refusal("conflict", str(error))
        case StoreError():
            # The words name the store's place, which operators have in the log.
            return Refusal("dependency_unavailable", headers={"retry-after": str(RETRY_SECONDS)})
        case _:
            return Refusal("internal_error")


def problem_response(refusal: Refusal, request_id: str) -> Response:
    """The answer."""
    kind = CODES[refusal.code]
    members: dict[str, object] = {
        "type": PROBLEM_TYPE + refusal.code,
        "title": kind.title,
        "status": kind.status,
        "detail": refusal.detail or kind.detail,
        "code": refusal.code,
        "request_id": request_id,
    }
    if refusal.errors:
        members["errors"] = [{"field": field[:MAX_SHOWN], "message": message} for field, message in refusal.errors]
    body = json.dumps(members, separators=(",", ":")).encode()
    return Response(body, kind.status, refusal.headers, media_type=MEDIA_TYPE)
