"""What is allowed and may be meant, but an operator should hear about once."""

from __future__ import annotations

from gateway_auth.config.addresses import is_loopback, parse_listen
from gateway_auth.config.networks import EVERYBODY_IPV4, PUBLIC_IPV6, covers
from gateway_auth.config.problems import problem
from gateway_auth.config.schema import GatewayTable
from gateway_auth.config.schema_issuers import RedisTable
from gateway_auth.config.schema_routes import LimitTable, RouteTable
from gateway_auth.config.secret import HOW_TO_MAKE_KEY
from gateway_auth.errors import Problem


def find_warnings(
    gateway: GatewayTable,
    routes: list[RouteTable],
    plans: dict[str, list[LimitTable]],
    redis: RedisTable | None,
    *,
    can_seal: bool,
) -> list[Problem]:
    """Warnings about a configuration without problems. `can_seal`: there is an encryption key."""
    return [
        *_about_gateway(gateway),
        *(_about_workers(gateway, routes, plans) if redis is None else _about_redis(can_seal)),
        *_about_routes(routes),
        *_about_plans(routes, plans),
    ]


def _about_gateway(gateway: GatewayTable) -> list[Problem]:
    warnings = []
    if gateway.failed_auth is None:
        warnings.append(problem(("gateway", "failed_auth"), "is off: nothing slows down guessing"))
    if not is_loopback(parse_listen(gateway.admin_listen)[0]):
        message = "is reachable from other machines; the admin plane should stay on loopback or a private network"
        warnings.append(problem(("gateway", "admin_listen"), message))
    if gateway.client_address_header.lower() != "x-forwarded-for" and not gateway.trusted_proxies:
        message = "is never read: trusted_proxies is empty, so every client is the peer itself"
        warnings.append(problem(("gateway", "client_address_header"), message))
    return warnings


def _about_workers(
    gateway: GatewayTable, routes: list[RouteTable], plans: dict[str, list[LimitTable]]
) -> list[Problem]:
    if gateway.workers == 1 or not (any(plans.values()) or any(route.limits for route in routes)):
        return []
    message = f"limits are counted in each process: up to {gateway.workers} times each is admitted"
    return [problem(("gateway", "workers"), f"{message}; 1 is exact, and so is any number with [redis]")]


def _about_redis(can_seal: bool) -> list[Problem]:
    if can_seal:
        return []
    message = f"is missing: keys are not shared through Redis, each worker reads them from the store; {HOW_TO_MAKE_KEY}"
    return [problem(("secrets", "encryption_key"), message)]


def _about_routes(routes: list[RouteTable]) -> list[Problem]:
    warnings = []
    if not routes:
        warnings.append(problem(("routes",), "is empty: every request is denied"))
    for position, route in enumerate(routes):
        allowed = route.allow_networks
        if allowed and (covers(allowed, EVERYBODY_IPV4) or covers(allowed, PUBLIC_IPV6)):
            message = "allows every address of the internet; leave it out if that is meant"
            warnings.append(problem(("routes", position, "allow_networks"), message))
        if "*" in route.path:
            message = (
                'holds a "*", which stands for itself; write "{name}" for one segment, "{name:path}" for all the rest'
            )
            warnings.append(problem(("routes", position, "path"), message))
        if route.mode == "shadow":
            message = 'is "shadow": requests this route would deny are let through'
            warnings.append(problem(("routes", position, "mode"), message))
    return warnings


def _about_plans(routes: list[RouteTable], plans: dict[str, list[LimitTable]]) -> list[Problem]:
    owners = {limit.name: route.id for route in routes for limit in route.limits}
    return [
        problem(
            ("plans", plan, "limits", position, "id"),
            f'"{limit.name}" is also a limit of route "{owners[limit.name]}": headers name both alike',
        )
        for plan, limits in plans.items()
        for position, limit in enumerate(limits)
        if limit.name in owners
    ]
