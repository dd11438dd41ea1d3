"""What is answered to whoever watches, without a credential: whether it lives, whether it can work, its numbers.

None of it tells a name, an id or a secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response

from gateway_auth.admin.counts import Counts
from gateway_auth.admin.plane import AdminPlane, Health
from gateway_auth.errors import StoreError

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Watching:
    """Three endpoints."""

    def __init__(self, plane: AdminPlane, counts: Counts) -> None:
        self._plane = plane
        self._counts = counts

    async def alive(self, request: Request) -> Response:
        """200 for as long as anything is answered."""
        return _json({"status": "ok"}, 200)

    async def ready(self, request: Request) -> Response:
        """503 without the store. Without Redis changes are made, and workers notice them a little later."""
        checks = dict(await self._plane.health())
        is_ready = checks["store"] == "ok"
        is_whole = all(state == "ok" for state in checks.values())
        status = "ok" if is_whole else "degraded" if is_ready else "unavailable"
        return _json({"status": status, "checks": checks}, 200 if is_ready else 503)

    async def metrics(self, request: Request) -> Response:
        """Prometheus' text format."""
        checks = await self._plane.health()
        try:
            head: int | None = (await self._plane.audit_head()).seq
        except StoreError:
            head = None
        lines = [*self._requests(), *_up(checks), *_audit(head)]
        return Response("\n".join(lines) + "\n", 200, media_type=METRICS_TYPE)

    def _requests(self) -> Iterator[str]:
        name = "gateway_auth_admin_requests_total"
        yield f"# HELP {name} Answers of the admin plane."
        yield f"# TYPE {name} counter"
        for (operation, status), count in sorted(self._counts.answers.items()):
            yield f'{name}{{operation="{operation}",status="{status}"}} {count}'


def _up(checks: Health) -> Iterator[str]:
    name = "gateway_auth_admin_dependency_up"
    yield f"# HELP {name} Whether what the admin plane depends on can be reached."
    yield f"# TYPE {name} gauge"
    for what, state in sorted(checks.items()):
        yield f'{name}{{dependency="{what}"}} {int(state == "ok")}'


def _audit(head: int | None) -> Iterator[str]:
    name = "gateway_auth_audit_records"
    yield f"# HELP {name} The number of the last audit record."
    yield f"# TYPE {name} gauge"
    if head is not None:
        yield f"{name} {head}"


def _json(value: object, status: int) -> Response:
    return Response(json.dumps(value), status, media_type="application/json")
