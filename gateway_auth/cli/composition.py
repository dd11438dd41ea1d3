"""What is served, from one configuration: the middleware around the proxy; the admin plane. Knows no server."""

from __future__ import annotations

from functools import partial

from gateway_auth.asgi.middleware import GatewayAuth
from gateway_auth.asgi.respond import send_problem
from gateway_auth.asgi.types import ASGIApp
from gateway_auth.bootstrap.admin import AdminParts
from gateway_auth.bootstrap.shared import refuse_unusable
from gateway_auth.config import Configuration
from gateway_auth.engine.brake import Brake
from gateway_auth.errors import ConfigError, Problem
from gateway_auth.lifecycle.admission import Admission
from gateway_auth.proxy import InvalidUpstream, ProxyApp, parse_upstream


def build_app(configuration: Configuration) -> GatewayAuth:
    """The ASGI app to serve. It opens its resources in its lifespan."""
    default = configuration.default_upstream
    proxy = ProxyApp(
        parse_upstream(default) if default is not None else None,
        respond=partial(send_problem, realm=configuration.rules.realm),
    )
    return GatewayAuth(proxy, config=configuration)


def build_admin(parts: AdminParts) -> ASGIApp:
    """The admin plane over what is open."""
    from gateway_auth.admin import build_admin_app
    from gateway_auth.admin.plane import AdminPlane

    configuration = parts.configuration
    tools = parts.tools
    return build_admin_app(
        AdminPlane(
            tools=tools,
            admission=Admission(tools.registry, tools.peppers, tools.clock),
            brake=Brake(configuration.rules.brake, tools.clock),
            health=parts.health,
            audit_head=parts.audit_head,
            hosts=configuration.admin_hosts,
            realm=configuration.rules.realm,
        )
    )


def refuse_unservable(configuration: Configuration) -> None:
    """Raises ConfigError with everything that a middleware could do with this configuration and a proxy cannot."""
    refuse_unusable(configuration.redis)
    problems = [
        Problem(f"routes.{route_id}.upstream", "is missing, and so is gateway.upstream: there is nowhere to forward to")
        for route_id in configuration.routes_without_upstream()
    ]
    named = {"gateway.upstream": configuration.default_upstream} | {
        f"routes.{policy.id}.upstream": policy.upstream for policy in configuration.rules.policies
    }
    for path, url in named.items():
        try:
            if url is not None:
                parse_upstream(url)
        except InvalidUpstream as error:
            problems.append(Problem(path, str(error)))
    if problems:
        raise ConfigError(problems)


def refuse_uncounted(configuration: Configuration, *, is_local_accepted: bool) -> None:
    """Raises ConfigError where several workers would each count limits by themselves, and nobody said they may."""
    if is_local_accepted or configuration.workers == 1 or configuration.redis is not None:
        return
    if configuration.has_limits():
        message = (
            f"is {configuration.workers}, and limits are counted in each process: up to {configuration.workers} times"
            " each would be admitted. Add [redis], or serve with one worker, or accept that with --local-limits"
        )
        raise ConfigError([Problem("gateway.workers", message)])


def unserved_websockets(configuration: Configuration) -> list[str]:
    """Ids of the routes that accept a WebSocket, which this version of the proxy refuses all the same."""
    return [policy.id for policy in configuration.rules.policies if policy.is_websocket]
