"""Clients who leave while Redis is slow: whoever is answered is answered as himself (case S13)."""

from __future__ import annotations

import asyncio
import os
import random
from base64 import b64encode
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from gateway_auth import GatewayAuth
from gateway_auth.lifecycle.key_fields import KeyFields
from tests.asgi.raw import get, lifespan
from tests.asgi.world import ACTOR, Site, build_site
from tests.redis.faulty_proxy import faulty_proxy
from tests.redis.gateways import ENCRYPTION_KEY

pytestmark = pytest.mark.slow

KEYS = 200
REQUESTS = int(os.environ.get("GATEWAY_AUTH_REQUESTS", "2000"))
AT_ONCE = 50
ROUTES = [{"id": "known", "path": "/known", "limits": [{"rate": "1000000/hour", "by": "key"}]}]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return build_site(tmp_path_factory.mktemp("site"))


async def who(scope: Scope, receive: Receive, send: Send) -> None:
    """Tells each caller the id of the key it was taken for."""
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["user"].key_id.encode()})


async def make_keys(site: Site) -> list[str]:
    """Texts of keys of one app."""
    store = site.open_store()
    try:
        keys = site.manage_keys(store)
        async with store.reading() as snapshot:
            app_id = next(app.id for app in await snapshot.apps.page(limit=9) if app.plan is None)
        return [(await keys.create(ACTOR, app_id, "live", KeyFields())).text for _ in range(KEYS)]
    finally:
        await store.close()


async def test_every_answer_is_for_the_key_that_asked(
    template: Site, tmp_path: Path, port: int, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENCRYPTION_KEY, b64encode(bytes(range(32))).decode())
    site = template.copy_to(tmp_path)
    texts = await make_keys(site)
    chance = random.Random(13)
    async with faulty_proxy(port) as proxy:
        source = site.config(ROUTES)
        source["redis"] = {"url": proxy.url, "key_prefix": prefix}
        source["secrets"]["encryption_key"] = f"env:{ENCRYPTION_KEY}"
        source["api_keys"] = {"cache_seconds": 1}
        gateway = GatewayAuth(who, config=source)
        async with lifespan(gateway):
            proxy.delay_seconds = 0.005
            answered = sum([await _burst(gateway, texts, chance) for _ in range(REQUESTS // AT_ONCE)])
    assert answered > REQUESTS // 4


async def _burst(gateway: GatewayAuth, texts: list[str], chance: random.Random) -> int:
    """Requests at once, about half of whose clients leave; how many were answered, each as itself."""
    chosen = [chance.choice(texts) for _ in range(AT_ONCE)]
    tasks = [asyncio.create_task(get(gateway, "/known", text)) for text in chosen]
    for task in tasks:
        if chance.random() < 0.5:
            asyncio.get_running_loop().call_later(chance.random() * 0.02, task.cancel)
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    answered = 0
    for text, answer in zip(chosen, answers, strict=True):
        if isinstance(answer, asyncio.CancelledError):
            continue
        assert not isinstance(answer, BaseException), answer
        assert (answer.status, answer.body.decode()) == (200, text.split("_")[2])
        answered += 1
    return answered
