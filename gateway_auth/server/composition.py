"""What is served, from one configuration: the middleware around the proxy; the admin plane. Knows no server."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

from gateway_auth.adapters.system import SystemClock
from gateway_auth.asgi.middleware import GatewayAuth
from gateway_auth.asgi.respond import send_problem
from gateway_auth.asgi.types import ASGIApp
from gateway_auth.bootstrap.admin import AdminParts
from gateway_auth.bootstrap.sharing import refuse_unusable
from gateway_auth.config import Configuration
from gateway_auth.engine.brake import Brake
from gateway_auth.errors import ConfigError, Problem
from gateway_auth.forward_auth import Answering, ForwardAuth
from gateway_auth.lifecycle.admission import Admission
from gateway_auth.proxy import ProxyApp
from gateway_auth.server.disclosure import DisclosureRoom
from gateway_auth.server.fast_path import FastPath
from gateway_auth.server.probes import alive, probe
from gateway_auth.server.reserved import Reserved
from gateway_auth.server.snapshots import Reporting
from gateway_auth.server.upstreams import named_upstreams, unusable_upstreams


def build_judge(configuration: Configuration, proxy: ProxyApp) -> GatewayAuth:
    """The middleware around the proxy, or around nothing where no request has somewhere to go."""
    return GatewayAuth(Answering(proxy if _forwards(configuration) else None), config=configuration)


class Built(NamedTuple):
    """The ASGI app to serve, which opens its resources in its lifespan, and what it is made of."""

    app: ASGIApp
    judge: GatewayAuth
    proxy: ProxyApp
    fast_path: FastPath


def build(configuration: Configuration, snapshots: Path | None = None) -> Built:
    """What a configuration makes. It tells its numbers in the directory `snapshots`."""
    proxy = build_proxy(configuration)
    judge = build_judge(configuration, proxy)
    asked = ForwardAuth(configuration, judge=judge)
    rooms: dict[str, ASGIApp] = {
        "authorize": asked,
        "healthz": probe(alive),
        "readyz": probe(judge.condition),
    }
    if configuration.disclosure is not None:
        rooms["disclosure"] = DisclosureRoom(configuration.rules, judge.disclosure, SystemClock())
    app: ASGIApp = Reserved(judge, rooms, configuration.rules.realm)
    if snapshots is not None:
        app = Reporting(app, snapshots, judge.condition, judge.readings)
    return Built(app, judge, proxy, FastPath(judge, proxy, asked))


def build_proxy(configuration: Configuration) -> ProxyApp:
    """What is behind the middleware."""
    upstreams = named_upstreams(configuration)
    return ProxyApp(
        upstreams.get(configuration.default_upstream or ""),
        upstreams=upstreams,
        respond=partial(send_problem, realm=configuration.rules.realm),
        max_message_bytes=configuration.rules.max_body_bytes,
    )


def _forwards(configuration: Configuration) -> bool:
    """Whether any request has somewhere to go; where only another proxy asks, none needs to."""
    return configuration.default_upstream is not None or any(policy.upstream for policy in configuration.rules.policies)


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
        Problem(
            f"routes.{route_id}.upstream",
            "is missing, and so is gateway.upstream: there is nowhere to forward to. "
            "Where another proxy asks and forwards itself, add [forward_auth]",
        )
        for route_id in configuration.routes_without_upstream()
    ]
    problems += unusable_upstreams(configuration)
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
