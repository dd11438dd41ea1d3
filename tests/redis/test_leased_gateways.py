"""Leased limits through gateways: counted together within their bound, at once, and served on while Redis is away."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from tests.asgi.world import Site, build_site
from tests.redis.faulty_proxy import faulty_proxy
from tests.redis.gateways import ENCRYPTION_KEY, running
from tests.redis.patience import until

LIMIT = 1000
BOUND = LIMIT // 20
PATIENCE_SECONDS = 2.0
"""A machine that stalls for a moment is no fault of Redis."""
ROUTES = [
    {
        "id": "leased",
        "path": "/leased",
        "limits": [{"id": "per-key", "rate": f"{LIMIT}/hour", "by": "key", "mode": "leased"}],
    }
]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return build_site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def site(template: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv(ENCRYPTION_KEY, b64encode(bytes(range(32))).decode())
    return template.copy_to(tmp_path)


async def test_two_nodes_admit_together_what_the_limit_allows(site: Site, port: int, prefix: str) -> None:
    url = f"redis://127.0.0.1:{port}"
    async with (
        running(site, url, prefix, routes=ROUTES, timeout_seconds=PATIENCE_SECONDS) as one,
        running(site, url, prefix, routes=ROUTES, timeout_seconds=PATIENCE_SECONDS) as two,
    ):
        admitted = 0
        for _ in range(LIMIT):
            for node in (one, two):
                answer = await node.ask("/leased")
                admitted += answer.status == 200
                assert answer.status in (200, 429)
                assert answer.only("ratelimit-policy") == f'"per-key";q={LIMIT};w=3600'
    assert LIMIT - BOUND <= admitted <= LIMIT + BOUND


async def test_a_share_in_hand_is_served_while_redis_is_away_and_counting_goes_on_after(
    site: Site, port: int, prefix: str
) -> None:
    async with faulty_proxy(port) as proxy, running(site, proxy.url, prefix, routes=ROUTES) as node:
        await until(lambda: node.shared.share.workers == 1)
        assert await node.statuses("/leased", 100) == [200] * 100
        await proxy.refuse()
        assert set(await node.statuses("/leased", 50)) == {200}
        await proxy.accept()
        await until(lambda: not node.gateway.degraded)
        assert set(await node.statuses("/leased", 50)) == {200}
