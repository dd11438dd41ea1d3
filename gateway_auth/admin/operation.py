"""What one operation is, before anybody asks for it; and what it is given and gives. Knows no particular one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from msgspec import Struct, field
from pydantic import BaseModel
from starlette.requests import Request

from gateway_auth.admin.bodies import NoQuery, Query
from gateway_auth.lifecycle.authority import Action
from gateway_auth.lifecycle.desk import Desk
from gateway_auth.lifecycle.views import View


class Asked(Struct, frozen=True):
    """A request that was read. `body` is what the operation's model says, `object_id` the id in the path."""

    desk: Desk
    request: Request
    object_id: str
    query: Query
    body: BaseModel | None


class Answered(Struct, frozen=True):
    """What to send: `body` None is nothing."""

    body: View | list[View] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Operation(Struct, frozen=True, kw_only=True):
    """One method on one path. `run` answers with `status` and, unless that is 204, an `answer`.

    `creates`: Idempotency-Key counts. `changes`: If-Match counts, for an object of this kind.
    """

    name: str
    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    action: Action
    summary: str
    run: Callable[[Asked], Awaitable[Answered]]
    query: type[Query] = NoQuery
    body: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    status: int = 200
    creates: bool = False
    changes: Literal["app", "key"] | None = None
    may_conflict: bool = False

    @property
    def has_object(self) -> bool:
        """Whether the path names one."""
        return "{id}" in self.path

    @property
    def reads_object(self) -> bool:
        """Whether it answers with the object of its path as it is: If-None-Match counts."""
        return self.method == "GET" and self.has_object

    @property
    def refusals(self) -> tuple[int, ...]:
        """Every status a refusal can have."""
        found = {400, 401, 403, 414, 421, 422, 429, 431, 500, 503}
        names = {*self.query.model_fields, *(self.body.model_fields if self.body is not None else ())}
        if self.has_object or "app_id" in names:
            found.add(404)
        if self.body is not None:
            found |= {408, 413, 415}
        if self.changes is not None:
            found.add(412)
        if self.may_conflict:
            found.add(409)
        return tuple(sorted(found))
