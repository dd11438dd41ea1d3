"""The schema over what was written, piece by piece, so that one wrong piece hides no problem of another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from msgspec import Struct, field
from pydantic import BaseModel, ValidationError

from gateway_auth.config.problems import explain, problem, unknown_key
from gateway_auth.config.schema import ApiKeysTable, Document, GatewayTable, SecretsTable, StoreTable
from gateway_auth.config.schema_disclosure import DisclosureTable
from gateway_auth.config.schema_forward_auth import ForwardAuthTable
from gateway_auth.config.schema_issuers import IssuerTable, RedisTable
from gateway_auth.config.schema_records import AuditTable, UsageTable
from gateway_auth.config.schema_routes import LimitTable, PlanTable, RouteTable
from gateway_auth.config.schema_upstreams import UpstreamTable
from gateway_auth.config.schema_webhooks import HandoverTable, WebhookTable
from gateway_auth.config.shape import Path
from gateway_auth.config.values import check_name
from gateway_auth.core.roles import parse_role
from gateway_auth.core.scopes import parse_granted
from gateway_auth.core.upstream import UPSTREAM_NAME
from gateway_auth.errors import Problem

T = TypeVar("T", bound=BaseModel)


class Piece(Struct, Generic[T]):
    """One table, or what could be saved of it: keys in `dropped` were wrong and stand at their defaults."""

    path: Path
    table: T | None
    dropped: frozenset[str] = frozenset()

    def has(self, *keys: str) -> bool:
        """Whether the table is there and none of these keys was wrong."""
        return self.table is not None and self.dropped.isdisjoint(keys)


class Examined(Struct):
    """Every piece that fits the schema, and every problem of those that do not."""

    gateway: Piece[GatewayTable]
    store: Piece[StoreTable]
    audit: Piece[AuditTable]
    secrets: Piece[SecretsTable]
    api_keys: Piece[ApiKeysTable]
    usage: Piece[UsageTable]
    redis: Piece[RedisTable] | None
    forward_auth: Piece[ForwardAuthTable] | None
    disclosure: Piece[DisclosureTable] | None
    webhooks: list[Piece[WebhookTable]]
    handover: Piece[HandoverTable] | None
    issuers: list[Piece[IssuerTable]]
    roles: dict[str, tuple[str, ...]]
    plans: dict[str, Piece[PlanTable]]
    upstreams: dict[str, Piece[UpstreamTable]]
    routes: list[Piece[RouteTable]]
    problems: list[Problem] = field(default_factory=list)


def examine(tables: dict[str, object]) -> Examined:
    """Fit `tables` to the schema."""
    problems = [unknown_key((key,), Document.model_fields) for key in tables if key not in Document.model_fields]
    return Examined(
        gateway=_section(GatewayTable, tables, "gateway", problems),
        store=_section(StoreTable, tables, "store", problems),
        audit=_section(AuditTable, tables, "audit", problems),
        secrets=_section(SecretsTable, tables, "secrets", problems),
        api_keys=_section(ApiKeysTable, tables, "api_keys", problems),
        usage=_section(UsageTable, tables, "usage", problems),
        redis=_optional(RedisTable, tables, "redis", problems),
        forward_auth=_optional(ForwardAuthTable, tables, "forward_auth", problems),
        disclosure=_optional(DisclosureTable, tables, "disclosure", problems),
        webhooks=_list(WebhookTable, tables, "webhooks", problems),
        handover=_optional(HandoverTable, tables, "handover", problems),
        issuers=_list(IssuerTable, tables, "issuers", problems),
        roles=_roles(tables, problems),
        plans=_plans(tables, problems),
        upstreams=_upstreams(tables, problems),
        routes=_list(RouteTable, tables, "routes", problems),
        problems=problems,
    )


def _salvage(model: type[T], written: object, path: Path, problems: list[Problem]) -> Piece[T]:
    """`written` as a table of this model; without its wrong keys, where the rest is one."""
    try:
        return Piece(path, model.model_validate(written))
    except ValidationError as error:
        problems += explain(error, model, path)
        dropped = frozenset(str(details["loc"][0]) for details in error.errors() if details["loc"])
    if not isinstance(written, dict):
        return Piece(path, None)
    rest = {key: value for key, value in written.items() if key not in dropped}
    try:
        return Piece(path, model.model_validate(rest), dropped)
    except ValidationError:
        return Piece(path, None, dropped)


def _section(model: type[T], tables: dict[str, object], name: str, problems: list[Problem]) -> Piece[T]:
    written = tables.get(name)
    return _salvage(model, {} if written is None else written, (name,), problems)


def _optional(model: type[T], tables: dict[str, object], name: str, problems: list[Problem]) -> Piece[T] | None:
    """A section whose absence means something."""
    written = tables.get(name)
    return None if written is None else _salvage(model, written, (name,), problems)


def _list(model: type[T], tables: dict[str, object], name: str, problems: list[Problem]) -> list[Piece[T]]:
    written = tables.get(name)
    if written is None:
        return []
    if not isinstance(written, list):
        problems.append(problem((name,), f"must be a list of tables; write [[{name}]]"))
        return []
    pieces = []
    for position, item in enumerate(written):
        pieces.append(_salvage(model, item, (name, position), problems))
        problems += _repeated_limits(item, (name, position))
    return pieces


def _names(tables: dict[str, object], name: str, problems: list[Problem]) -> dict[str, object]:
    written = tables.get(name)
    if written is None or isinstance(written, dict):
        return written or {}
    problems.append(problem((name,), "must be a table"))
    return {}


def _plans(tables: dict[str, object], problems: list[Problem]) -> dict[str, Piece[PlanTable]]:
    plans = {}
    for name, written in _names(tables, "plans", problems).items():
        path = ("plans", name)
        problems += _refusal(check_name, name, path)
        plans[name] = _salvage(PlanTable, written, path, problems)
        problems += _repeated_limits(written, path)
    return plans


def _upstreams(tables: dict[str, object], problems: list[Problem]) -> dict[str, Piece[UpstreamTable]]:
    upstreams = {}
    for name, written in _names(tables, "upstreams", problems).items():
        path = ("upstreams", name)
        if not UPSTREAM_NAME.fullmatch(name):
            message = 'must be a name: letters, digits, "_" and "-", at most 64, beginning with a letter'
            problems.append(problem(path, message))
        upstreams[name] = _salvage(UpstreamTable, written, path, problems)
    return upstreams


def _roles(tables: dict[str, object], problems: list[Problem]) -> dict[str, tuple[str, ...]]:
    roles = {}
    for name, scopes in _names(tables, "roles", problems).items():
        path = ("roles", name)
        problems += _refusal(parse_role, name, path)
        if not isinstance(scopes, list):
            problems.append(problem(path, 'must be a list of scopes; write for example ["orders:read"]'))
            continue
        for position, scope in enumerate(scopes):
            problems += _refusal(parse_granted, scope, (*path, position))
        roles[name] = tuple(scope for scope in scopes if isinstance(scope, str))
    return roles


def _refusal(check: Callable[[str], object], value: object, path: Path) -> list[Problem]:
    """What `check` says against `value`, if it does."""
    if not isinstance(value, str):
        return [problem(path, "must be text")]
    try:
        check(value)
    except ValueError as error:
        return [problem(path, str(error))]
    return []


def _repeated_limits(written: object, path: Path) -> list[Problem]:
    """Limits of one route or plan with the same id, each read by itself: a wrong one hides no repetition."""
    limits = written.get("limits") if isinstance(written, dict) else None
    seen: dict[str, int] = {}
    problems = []
    for position, limit in enumerate(limits if isinstance(limits, list) else ()):
        try:
            name = LimitTable.model_validate(limit).name
        except ValidationError:
            continue
        if name in seen:
            first = f"limits[{seen[name]}]"
            message = f'has the id "{name}" like {first}; give each an id of its own'
            problems.append(problem((*path, "limits", position, "id"), message))
        seen.setdefault(name, position)
    return problems
