"""How the cost of a request grows along `axes`, through servers: CPU microseconds of the server per request."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from redis import Redis

from benchmarks.axes import AXES
from benchmarks.figure import Sizes
from benchmarks.load import CONNECTIONS
from benchmarks.over_http import prepare
from benchmarks.redis_server import running_redis
from benchmarks.server_apps import BODIES, SITE
from benchmarks.servers import Server, cores, serving
from benchmarks.shared_limits import with_redis
from benchmarks.varied import offer_varied, request_bytes
from benchmarks.world import PATH

Costs = dict[tuple[str, int, str], list[float]]
"""By axis, point and line: one value per round."""

LINES = ("bare", "guarded")
BODY_ROUTE = {"id": "bodies", "path": BODIES, "methods": ["POST"], "scopes": ["orders:read"]}
NODE_SECONDS = 0.5


def measure(costs: Costs, sizes: Sizes) -> None:
    """Fill in what servers tell."""
    with tempfile.TemporaryDirectory() as name:
        headers, environment = prepare(Path(name))
        site = Path(environment[SITE])
        config: dict[str, Any] = json.loads(site.read_text("utf-8"))
        site.write_text(json.dumps({**config, "routes": [*config["routes"], BODY_ROUTE]}), "utf-8")
        _connections_and_bodies(costs, headers, environment, sizes)
        _workers(costs, headers, environment, sizes)
        _nodes(costs, headers, config, Path(name), sizes)


def _connections_and_bodies(
    costs: Costs, headers: dict[str, str], environment: Mapping[str, str], sizes: Sizes
) -> None:
    core, _ = cores()
    get = [request_bytes(PATH, headers)]
    posts = {size: [request_bytes(BODIES, headers, "POST", b"x" * size)] for size in AXES["body"].at}
    with ExitStack() as stack:
        servers = {line: stack.enter_context(serving("uvicorn", line, core, environment)) for line in LINES}
        for server in servers.values():
            _cost(server, get, sizes.growth_seconds)
        for _ in range(sizes.growth_rounds):
            for at in AXES["connections"].at:
                for line, server in servers.items():
                    _add(costs, ("connections", at, line), _cost(server, get, sizes.growth_seconds, at))
            for at, post in posts.items():
                for line, server in servers.items():
                    _add(costs, ("body", at, line), _cost(server, post, sizes.growth_seconds, 8))


def _workers(costs: Costs, headers: dict[str, str], environment: Mapping[str, str], sizes: Sizes) -> None:
    """Workers of Granian. They share one core where there are not enough: told is what a request costs all of them."""
    core, _ = cores()
    get = [request_bytes(PATH, headers)]
    with ExitStack() as stack:
        servers = {
            (at, line): stack.enter_context(serving("workers", line, core, environment, workers=at))
            for at in AXES["workers"].at
            for line in LINES
        }
        for server in servers.values():
            _cost(server, get, sizes.growth_seconds)
        for _ in range(sizes.growth_rounds):
            for (at, line), server in servers.items():
                _add(costs, ("workers", at, line), _cost(server, get, sizes.growth_seconds))


def _nodes(costs: Costs, headers: dict[str, str], config: dict[str, Any], directory: Path, sizes: Sizes) -> None:
    """Nodes that count together in one Redis, each asked in turn: what a request costs the node, and Redis."""
    core, load_core = cores()
    get = [request_bytes(PATH, headers)]
    with running_redis(load_core) as port, ExitStack() as stack:
        file = directory / "nodes.json"
        file.write_text(json.dumps(with_redis(config, directory, port, "nodes")), "utf-8")
        nodes: list[Server] = []
        for at in AXES["nodes"].at:
            while len(nodes) < at:
                nodes.append(stack.enter_context(serving("uvicorn", "guarded", core, {SITE: str(file)})))
                _cost(nodes[-1], get, NODE_SECONDS)
            for _ in range(sizes.growth_rounds):
                before = _redis_seconds(port)
                loads = [_used(node, get, sizes.growth_seconds / at) for node in nodes]
                answered = sum(count for _, count in loads)
                spent = sum(seconds for seconds, _ in loads)
                _add(costs, ("nodes", at, "gateway"), spent / answered * 1e6)
                _add(costs, ("nodes", at, "redis"), (_redis_seconds(port) - before) / answered * 1e6)


def _add(costs: Costs, place: tuple[str, int, str], cost: float) -> None:
    costs.setdefault(place, []).append(cost)


def _cost(server: Server, requests: Sequence[bytes], seconds: float, connections: int = CONNECTIONS) -> float:
    spent, answered = _used(server, requests, seconds, connections)
    return spent / answered * 1e6


def _used(
    server: Server, requests: Sequence[bytes], seconds: float, connections: int = CONNECTIONS
) -> tuple[float, int]:
    """CPU seconds, and for how many requests."""
    _, core = cores()
    before = server.cpu_seconds()
    load = offer_varied(server.port, requests, seconds, core, connections, is_awake=True)
    return server.cpu_seconds() - before, load.answered


def _redis_seconds(port: int) -> float:
    """CPU seconds that Redis has used."""
    with Redis(port=port) as admin:
        told = admin.info("cpu")
    return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])
