"""A gateway that stops, or starts its workers anew, tells both sides of a WebSocket that it goes away."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.websockets.edges import Edge, closed, serving, until
from tests.websockets.upstream import Upstream

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["stop", "reload"])
async def test_both_sides_are_told(
    all_edges: tuple[Upstream, dict[str, Edge]], upstream: Upstream, tmp_path: Path, number: signal.Signals
) -> None:
    site = all_edges[1]["standalone"].site.copy_to(tmp_path)
    with serving(site, upstream, ["standalone"]) as edges:
        edge = edges["standalone"]
        async with edge.open("/ws/echo") as idle, edge.open("/ws/push", edge.site.keys["reader"]) as busy:
            await idle.send("a")
            await idle.recv()
            os.kill(edge.pid, number)
            assert [await closed(client) for client in (idle, busy)] == [(1001, "")] * 2
            await until(lambda: upstream.closes.count((1001, "")) == 2)
        if number == signal.SIGHUP:
            async with edge.open("/ws/echo") as client:
                await client.send("b")
                assert await client.recv() == "b"
        assert b"Traceback" not in edge.log.read_bytes()
