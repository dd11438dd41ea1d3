"""An operator hears when Redis could throw counters away (security case L08)."""

from __future__ import annotations

import pytest
from redis import Redis

from gateway_auth.adapters.redis.connection import RedisConnection
from gateway_auth.adapters.redis.eviction import eviction_warning
from gateway_auth.adapters.redis.link import Command
from gateway_auth.errors import RedisUnavailable
from tests.redis.server import running_server


class Said:
    """A Redis that replies what it is told to."""

    def __init__(self, reply: object) -> None:
        self.reply = reply

    async def run_on(self, key: bytes | None, command: Command, *, seconds: float | None = None) -> object:
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), None),
        (("--maxmemory", "100mb"), None),
        (("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"), "when it reaches maxmemory"),
        (("--maxmemory", "100mb", "--maxmemory-policy", "volatile-ttl"), "(maxmemory-policy volatile-ttl)"),
        (("--maxmemory-policy", "volatile-lru"), "once it has a maxmemory"),
    ],
    ids=["as it comes", "bounded", "evicts all", "evicts what expires", "not yet"],
)
async def test_a_server(options: tuple[str, ...], words: str | None) -> None:
    with running_server(*options) as port:
        redis = RedisConnection(f"redis://127.0.0.1:{port}", timeout_seconds=5)
        warning = await eviction_warning(redis, b"x")
        assert (warning is None) is (words is None)
        assert (words or "") in (warning or "")
        await redis.close()


async def test_a_user_who_may_not_ask() -> None:
    with running_server() as port:
        with Redis(port=port) as admin:
            admin.execute_command("ACL", "SETUSER", "gateway", "on", ">p", "~*", "+@all", "-info")
        redis = RedisConnection(f"redis://gateway:p@127.0.0.1:{port}", timeout_seconds=5)
        assert "see that its maxmemory-policy is noeviction" in (await eviction_warning(redis, b"x") or "")
        await redis.close()


@pytest.mark.parametrize("reply", [None, 7, b"", b"\xff\xfe", b"maxmemory_policy", [], b"# Memory\r\n\r\n"], ids=str)
async def test_an_answer_that_says_nothing_is_no_warning(reply: object) -> None:
    assert await eviction_warning(Said(reply), b"x") is None


async def test_an_answer_may_be_long() -> None:
    warning = await eviction_warning(Said(b"maxmemory_policy:" + b"x" * 10_000), b"x")
    assert warning is not None
    assert len(warning) < 300


async def test_an_outage_is_one() -> None:
    with pytest.raises(RedisUnavailable):
        await eviction_warning(Said(RedisUnavailable("no", "timeout")), b"x")
