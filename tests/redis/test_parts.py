"""What a gateway is put together from where there is Redis, and what is told to others through it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway_auth.adapters.redis.connection import RedisConnection
from gateway_auth.adapters.redis.nudges import NudgeListener
from gateway_auth.bootstrap import open_gateway
from gateway_auth.bootstrap.redis import store_name, tell
from gateway_auth.bootstrap.sharing import refuse_unusable, tell_of_change
from gateway_auth.config.configuration import RedisSettings
from gateway_auth.errors import ConfigError
from tests.asgi.world import PEPPER
from tests.redis.faulty_proxy import FaultyProxy, faulty_proxy
from tests.redis.patience import PATIENCE, until

SERVING = """
import asyncio, sys
from gateway_auth.bootstrap import open_gateway

async def serve():
    gateway = await open_gateway({
        "store": {"url": "sqlite:///gateway.db"},
        "secrets": {"pepper": "env:GATEWAY_AUTH_PEPPER"},
        "routes": [{"id": "a", "path": "/a", "limits": [{"rate": "1/day", "by": "key"}]}],
    })
    await gateway.close()

asyncio.run(serve())
print(*sorted(sys.modules))
"""


@pytest.fixture
async def proxy(port: int) -> AsyncIterator[FaultyProxy]:
    async with faulty_proxy(port) as opened:
        yield opened


def test_a_gateway_without_redis_loads_nothing_of_it(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", SERVING], cwd=tmp_path, env=os.environ | {"GATEWAY_AUTH_PEPPER": PEPPER.decode()},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    loaded = finished.stdout.split()
    assert [name for name in loaded if name == "redis" or name.startswith("gateway_auth.adapters.redis")] == []


async def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("gateway_auth.bootstrap.redis", "gateway_auth.adapters.redis.connection"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setenv("GATEWAY_AUTH_PEPPER", PEPPER.decode())
    advice = r"pip install 'gateway-auth\[redis\]'"
    with pytest.raises(ConfigError, match=advice):
        await open_gateway({"redis": {"url": "redis://h"}, "secrets": {"pepper": "env:GATEWAY_AUTH_PEPPER"}})
    with pytest.raises(ConfigError, match=advice):
        refuse_unusable(RedisSettings(url="redis://h"))
    await tell_of_change(RedisSettings(url="redis://h"))


def test_what_may_be_used_is_not_refused() -> None:
    refuse_unusable(None)
    refuse_unusable(RedisSettings(url="redis://nobody.invalid"))
    with pytest.raises(ConfigError, match=r"redis\.url"):
        refuse_unusable(RedisSettings(url="redis://h:0"))


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("postgresql://a:b@h:5432/d", "postgresql://c:d@h:5432/d", True),
        ("postgresql://a:b@h:5432/d", "postgresql://a:b@h:5432/e", False),
        ("postgresql://a:b@h:5432/d", "postgresql://a:b@i:5432/d", False),
        ("postgresql:///d?host=/run/a", "postgresql:///d?host=/run/b", False),
        ("sqlite:////a/gateway.db", "sqlite:////a/gateway.db", True),
        ("sqlite:////a/gateway.db", "sqlite:////b/gateway.db", False),
        ("sqlite:////h/d", "postgresql://h/d", False),
    ],
)
def test_stores_are_told_apart(one: str, other: str, is_same: bool) -> None:
    assert (store_name(one) == store_name(other)) is is_same
    assert "b@" not in store_name(one)


def test_a_file_on_another_machine_is_another_store(monkeypatch: pytest.MonkeyPatch) -> None:
    here = store_name("sqlite:////a/gateway.db")
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    assert store_name("sqlite:////a/gateway.db") != here


# -- telling -------------------------------------------------------------------------------------------------------


async def test_what_is_told_is_heard(port: int, prefix: str) -> None:
    heard: list[None] = []
    url = f"redis://127.0.0.1:{port}"
    redis = RedisConnection(url)
    listener = NudgeListener(redis, prefix, lambda: heard.append(None))
    listener.start()
    await until(lambda: listener.is_connected)
    before = len(heard)
    await tell_of_change(RedisSettings(url=url, key_prefix=prefix))
    await until(lambda: len(heard) > before)
    await listener.close()
    await redis.close()


@pytest.mark.parametrize("fault", ["hang", "reset", "garbage"])
async def test_who_cannot_be_told_keeps_nobody_waiting(
    proxy: FaultyProxy, fault: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING)
    proxy.fault = fault  # type: ignore[assignment]  # one of its words
    # A connection that hangs is given up later than a command line waits.
    monkeypatch.setattr("gateway_auth.bootstrap.redis.PUBLISH_SECONDS", 0.05 if fault == "hang" else PATIENCE)
    await tell(RedisSettings(url=proxy.url))
    assert "workers were not told of the change" in caplog.text


async def test_what_is_wrong_with_the_address_is_not_the_changes_business() -> None:
    await tell_of_change(RedisSettings(url="redis://h:0"))
