"""Servers of a group go away and come back, one after the other, while requests flow."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from gateway_auth.core.upstream import HealthCheck
from tests.proxy.asgi_client import ask, balanced, until
from tests.proxy.upstreams import OK, Upstream, always

CLIENTS = 8
ROUNDS = 3


async def test_requests_pass_while_servers_are_restarted_one_by_one(tmp_path: Path) -> None:
    """Closed connections are tried anew, a server that is away is left for the next."""
    paths = [tmp_path / f"{number}.sock" for number in range(3)]
    app = balanced(
        [f"unix:{path}" for path in paths],
        health=HealthCheck(path="/", interval_seconds=0.05, timeout_seconds=5, unhealthy_after=1, healthy_after=1),
        fail_seconds=0.05,
    )
    statuses: Counter[int] = Counter()
    is_over = False

    async def flow() -> None:
        while not is_over:
            statuses[(await ask(app)).status] += 1

    servers = [Upstream(always(OK), socket_path=path) for path in paths]
    for server in servers:
        await server.__aenter__()
    clients = [asyncio.create_task(flow()) for _ in range(CLIENTS)]
    for number in (*range(3),) * ROUNDS:
        enough = statuses.total() + 50
        await servers[number].__aexit__(None, None, None)
        paths[number].unlink(missing_ok=True)
        await until(lambda: statuses.total() >= enough)  # noqa: B023 - waited for before it changes
        servers[number] = Upstream(always(OK), socket_path=paths[number])
        await servers[number].__aenter__()
        await until(lambda: bool(servers[number].seen))  # noqa: B023
    is_over = True
    await asyncio.gather(*clients)
    await app.aclose()
    for server in servers:
        await server.__aexit__(None, None, None)
    # A server that ends without a warning may have accepted a connection and never read from it.
    assert statuses.keys() <= {200, 502}
    assert statuses[502] <= ROUNDS * len(paths)
