"""The admin plane as one ASGI app. It only puts together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway_auth.admin.counts import Counts
from gateway_auth.admin.front import Front, request_id_of
from gateway_auth.admin.openapi import openapi_document
from gateway_auth.admin.operation import Operation
from gateway_auth.admin.operations import OPERATIONS
from gateway_auth.admin.plane import AdminPlane
from gateway_auth.admin.problems import Refusal, problem_response
from gateway_auth.admin.serve_operation import OperationEndpoint
from gateway_auth.admin.watching import Watching


def build_admin_app(plane: AdminPlane, *, more: Sequence[BaseRoute] = ()) -> Front:
    """All of it, over what is open already. `more` are routes beside the API, such as those of a portal."""
    counts = Counts()
    watching = Watching(plane, counts)
    routes: list[BaseRoute] = [
        Route("/healthz", watching.alive, methods=["GET"]),
        Route("/readyz", watching.ready, methods=["GET"]),
        Route("/metrics", watching.metrics, methods=["GET"]),
        Route("/openapi.json", _openapi, methods=["GET"]),
        *_by_path(plane),
        *more,
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _refused})
    app.router.redirect_slashes = False
    return Front(app, plane.hosts, counts)


async def _openapi(_: Request) -> Response:
    return Response(_document(), 200, media_type="application/json")


@cache
def _document() -> bytes:
    return json.dumps(openapi_document(OPERATIONS)).encode()


def _by_path(plane: AdminPlane) -> list[BaseRoute]:
    """One route for each path, so that another method there is answered with those there are."""
    paths: dict[str, list[Operation]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, []).append(operation)
    # "/keys/verify" before "/keys/{id}".
    ordered = sorted(paths.items(), key=lambda item: "{id}" in item[0])
    return [_route(path, operations, plane) for path, operations in ordered]


def _route(path: str, operations: Sequence[Operation], plane: AdminPlane) -> Route:
    endpoints = {str(operation.method): OperationEndpoint(operation, plane) for operation in operations}
    names = {str(operation.method): operation.name for operation in operations}

    async def serve(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        request.scope["gateway_auth.operation"] = names[method]
        return await endpoints[method](request)

    return Route(path, serve, methods=list(names))


async def _refused(request: Request, error: Exception) -> Response:
    """What Starlette refuses by itself: paths and methods there are none of."""
    is_method = isinstance(error, HTTPException) and error.status_code == 405
    headers = error.headers if isinstance(error, HTTPException) else None
    refusal = Refusal("method_not_allowed" if is_method else "not_found", headers=headers)
    return problem_response(refusal, request_id_of(request))
