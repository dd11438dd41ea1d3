"""The way of one request to an operation: who asks, may they, what do they say; then the operation, then the answer."""

from __future__ import annotations

import json
import logging
from typing import cast

import msgspec
from msgspec import Struct
from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gateway_auth.admin.asking import expected_tags, idempotency_key, is_known, presented_token, read_body, read_query
from gateway_auth.admin.operation import Answered, Asked, Operation
from gateway_auth.admin.plane import AdminPlane
from gateway_auth.admin.problems import Refusal, problem_response, refusal_of
from gateway_auth.core.actor import Actor
from gateway_auth.core.network import Address, format_address, parse_peer
from gateway_auth.errors import Forbidden, GatewayAuthError, StoreError
from gateway_auth.lifecycle.admission import MAX_NOTED, Refused
from gateway_auth.lifecycle.conditions import Expected
from gateway_auth.lifecycle.desk import Desk
from gateway_auth.lifecycle.input import is_id
from gateway_auth.lifecycle.once import Once
from gateway_auth.lifecycle.sampling import PerMinute

LONGEST_ID = 20

logger = logging.getLogger("gateway_auth.admin")


class _Caller(Struct, frozen=True):
    """Who asks, and with which token."""

    actor: Actor
    token: bytes


class OperationEndpoint:
    """One operation, as Starlette calls it. It always answers."""

    def __init__(self, operation: Operation, plane: AdminPlane) -> None:
        self._operation = operation
        self._plane = plane
        self._denials = PerMinute(MAX_NOTED, plane.tools.clock)

    async def __call__(self, request: Request) -> Response:
        """The answer, or the problem."""
        request_id = str(request.scope["gateway_auth.request_id"])
        try:
            return await self._serve(request, request_id)
        except ClientDisconnect:
            return problem_response(Refusal("malformed_request"), request_id)
        except Refusal as refusal:
            return problem_response(refusal, request_id)
        except GatewayAuthError as error:
            if isinstance(error, StoreError):
                logger.error("%s: %s", request_id, error)
            return problem_response(refusal_of(error), request_id)
        except Exception:
            logger.exception("%s: %s failed", request_id, self._operation.name)
            return problem_response(Refusal("internal_error"), request_id)

    async def _serve(self, request: Request, request_id: str) -> Response:
        operation = self._operation
        caller = await self._admit(request, request_id)
        object_id = str(request.path_params.get("id", ""))
        try:
            Desk(self._plane.tools, caller.actor).may(operation.action)
            query = read_query(request, operation.query)
            body = None if operation.body is None else await read_body(request, operation.body)
            desk = self._desk(request, caller, object_id, body)
            answered = await operation.run(Asked(desk, request, object_id, query, body))
        except Forbidden:
            # Whatever is longer than an id may be a secret, and the audit is for good.
            known = object_id if len(object_id) <= LONGEST_ID and is_id(object_id) else ""
            if self._denials.may():
                await Desk(self._plane.tools, caller.actor).note_denied(operation.action, known)
            raise
        tag = answered.headers.get("etag", "")
        if operation.reads_object and is_known(request, tag):
            return Response(None, 304, {"etag": tag})
        return _response(answered, operation.status)

    async def _admit(self, request: Request, request_id: str) -> _Caller:
        """Raises Refusal unless an active admin asks."""
        address = parse_peer(request.client.host if request.client is not None else None)
        wait = self._plane.brake.wait_seconds(address)
        if wait:
            raise Refusal("too_many_failures", headers={"retry-after": str(wait)})
        try:
            token = presented_token(request)
            actor = await self._actor(token, request_id, address)
        except Refusal as refusal:
            if refusal.code == "invalid_credential":
                self._plane.brake.failed(address)
            if refusal.status == 401:
                error = "" if refusal.code == "credential_required" else ', error="invalid_token"'
                refusal.headers["www-authenticate"] = f'Bearer realm="{self._plane.realm} admin"{error}'
            raise
        self._plane.brake.succeeded(address)
        return _Caller(actor, token)

    async def _actor(self, token: bytes, request_id: str, address: Address | None) -> Actor:
        admission = self._plane.admission
        place = None if address is None else format_address(address)
        found = await admission.admit(token, request_id=request_id, address=place)
        if isinstance(found, Refused):
            try:
                await admission.note_refused(found, request_id=request_id, address=place)
            except StoreError as error:
                # It is refused all the same, and nothing was changed that has to be in the audit.
                logger.error("%s: a refused token is not in the audit: %s", request_id, error)
            raise Refusal("credential_disabled" if found.why == "disabled" else "invalid_credential")
        return found

    def _desk(self, request: Request, caller: _Caller, object_id: str, body: BaseModel | None) -> Desk:
        operation = self._operation
        expected = once = None
        if operation.changes is not None and "if-match" in request.headers:
            expected = Expected(operation.changes, object_id, expected_tags(request))
        key = idempotency_key(request) if operation.creates else None
        if key is not None and caller.actor.id is not None:
            said = {} if body is None else body.model_dump(exclude_unset=True)
            asked = [operation.method, request.url.path, said]
            once = Once(caller.actor.id, key, msgspec.json.encode(asked, order="sorted"), caller.token)
        return Desk(self._plane.tools, caller.actor, expected=expected, once=once)


def _response(answered: Answered, status: int) -> Response:
    headers = dict(answered.headers)
    if answered.body is None:
        return Response(None, status, headers)
    # ASCII: inert wherever it is printed.
    body = json.dumps(cast(object, answered.body), separators=(",", ":")).encode("ascii")
    return Response(body, status, headers, media_type="application/json")
