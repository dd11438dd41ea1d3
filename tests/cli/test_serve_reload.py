"""Reloading and stopping under load: every request that was sent is answered whole.

`GATEWAY_AUTH_RELOADS` says how often it is reloaded, `GATEWAY_AUTH_CLIENTS` how many clients ask meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
from pathlib import Path

import pytest

from tests.cli.command import Workspace
from tests.cli.gateway import TLS, Gateway, answered_by, gateway, tls_of
from tests.cli.traffic import BODY, Client, Count, Traffic, sample_upstream, to_port
from tests.conformance.http2 import http2_client, write_certificate

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="processes are looked up in Linux's /proc"),
]

RELOADS = int(os.environ.get("GATEWAY_AUTH_RELOADS", "2"))
CLIENTS = int(os.environ.get("GATEWAY_AUTH_CLIENTS", "8"))
LONG = 50 * RELOADS
"""Pieces of the long requests: some of them last over every reload."""


async def asked(running: Gateway, traffic: Traffic) -> None:
    """Until clients have asked a few times more."""
    enough = traffic.count.answered.total() + 5 * CLIENTS
    await running.until(lambda: traffic.count.answered.total() >= enough)


@pytest.mark.parametrize(("workers", "is_tls"), [(4, False), (1, True)], ids=["four", "one with TLS"])
async def test_no_request_is_lost_when_workers_are_replaced_and_stopped(
    tmp_path: Path, workers: int, is_tls: bool
) -> None:
    tls = tls_of(tmp_path) if is_tls else None
    async with (
        sample_upstream() as upstream,
        gateway(tmp_path, upstream, workers=workers, more=TLS if is_tls else "", tls=tls) as running,
    ):
        traffic = Traffic(running.connect)
        traffic.start(CLIENTS)
        traffic.start_long(2, LONG)
        first = set(running.workers())
        for _ in range(RELOADS):
            await asked(running, traffic)
            await running.reload()
        await asked(running, traffic)
        count = await traffic.stop()
        assert not count.failed
        assert set(count.answered) == {200}
        await running.until(lambda: len(running.workers()) == workers)
        assert first.isdisjoint(running.workers())

        traffic = Traffic(running.connect)
        traffic.start(CLIENTS)
        traffic.start_long(2, 50)
        await asked(running, traffic)
        running.process.send_signal(signal.SIGTERM)
        assert await running.ended() == 0
        count = await traffic.stop()
        # Whoever comes now finds nobody; whatever had been sent before was answered.
        assert [words for words in count.failed if not words.startswith("ConnectionRefusedError")] == []
        assert set(count.answered) == {200}


async def test_over_http2_no_request_is_lost_either(tmp_path: Path) -> None:
    tls = tls_of(tmp_path)
    async with sample_upstream() as upstream, gateway(tmp_path, upstream, workers=2, more=TLS, tls=tls) as running:
        with http2_client(tmp_path / "server.pem") as client:
            await asyncio.to_thread(client.command, storm=1, port=running.port, clients=4)
            for _ in range(RELOADS):
                await running.reload()
            await running.until(lambda: len(running.workers()) == 2)
            count = await asyncio.to_thread(client.command, stop=1)
        assert count["failed"] == {}
        assert count["answered"] > 4 * RELOADS


async def test_a_killed_worker_takes_nobody_with_it_but_its_own(tmp_path: Path) -> None:
    async with sample_upstream() as upstream, gateway(tmp_path, upstream, workers=4) as running:
        traffic = Traffic(running.connect)
        traffic.start(CLIENTS, pause_seconds=0.02)
        await asked(running, traffic)
        before = running.workers()
        os.kill(before[0], signal.SIGKILL)
        await running.until(lambda: len(set(running.workers()) - {before[0]}) == 4)
        await running.until(lambda: running.said("serves") == 5)
        await asked(running, traffic)
        count = await traffic.stop()
        # At most one request of each client that was connected to it.
        assert count.failed.total() <= CLIENTS
        assert count.failed.total() < count.answered.total()
        assert set(count.answered) == {200}
        assert running.said("was killed by SIGKILL") == 1


async def test_a_changed_file_is_taken_and_a_bad_one_is_not(tmp_path: Path) -> None:
    async with sample_upstream() as upstream, gateway(tmp_path, upstream) as running:
        running.change('access = "public"', 'access = "publik"')
        await running.until(lambda: running.said("the configuration was not read again: routes[0].access") == 1)
        assert await answered_by(running) == BODY
        running.change('access = "publik"', 'scopes = ["a:b"]')
        await running.until(lambda: running.said("reloaded:") == 1)
        assert b"credential_required" in await answered_by(running)
        running.change("workers = 1", 'workers = 2\nstatus_listen = "127.0.0.1:9"')
        await running.until(lambda: running.said("gateway.workers is another now") == 1)
        assert running.said("gateway.status_listen is another now") == 1
        await running.until(lambda: running.said("reloaded:") == 2)


async def test_a_pepper_that_keys_still_need_is_not_taken_away_by_a_reload(tmp_path: Path) -> None:
    async with sample_upstream() as upstream, gateway(tmp_path, upstream) as running:
        management = Workspace(tmp_path)
        key = await asyncio.to_thread(lambda: management.key(management.app()))
        (tmp_path / "pepper").write_text("another pepper, thirty-two bytes and more of it")
        await running.until(lambda: running.said("read again: secrets.previous_peppers: a key needs a pepper") == 1)
        assert running.said("reloaded:") == 0
        revoked = await asyncio.to_thread(management.call, "keys", "revoke", key["id"], "--yes")
        assert revoked.code == 0
        await running.reload()


async def test_a_store_that_cannot_be_used_changes_nothing(tmp_path: Path) -> None:
    async with sample_upstream() as upstream, gateway(tmp_path, upstream) as running:
        before = running.workers()
        (tmp_path / "gateway.db").chmod(0o400)
        (tmp_path / "gateway.db").rename(tmp_path / "away.db")
        (tmp_path / "gateway.db").mkdir()
        running.process.send_signal(signal.SIGHUP)
        await running.until(lambda: running.said("the configuration was not read again: the store") == 1)
        assert await answered_by(running) == BODY
        assert running.workers() == before


async def test_a_renewed_certificate_is_taken_and_a_half_renewed_one_is_not(tmp_path: Path) -> None:
    tls = tls_of(tmp_path)
    write_certificate(tmp_path, "next")
    async with sample_upstream() as upstream, gateway(tmp_path, upstream, more=TLS, tls=tls) as running:
        (tmp_path / "next.pem").replace(tmp_path / "server.pem")
        await running.until(lambda: running.said("gateway.tls.key: is not the key of the certificate") == 1)
        os.kill(running.workers()[0], signal.SIGKILL)
        await running.until(lambda: running.said("serves") == 2)
        assert await answered_by(running) == BODY, "a replaced worker serves what was checked, not what lies there"
        (tmp_path / "next.key").replace(tmp_path / "server.key")
        await running.until(lambda: running.said("reloaded:") == 1)
        renewed = ssl.create_default_context(cafile=str(tmp_path / "server.pem"))
        client = Client(to_port(running.port, renewed), Count())
        assert await client.get() == BODY
        await client.close()
