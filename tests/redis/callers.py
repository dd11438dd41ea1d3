"""Ways to a real server for tests: one client, no retries, and time moved by hand where a test wants that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError

from gateway_auth.adapters.redis.script import Script, evaluate
from gateway_auth.errors import RedisUnavailable

Command = tuple[bytes | str | int, ...]


class Caller:
    """A ScriptCaller over a client of redis-py. `calls` are the numbers of keys of each call made."""

    def __init__(self, client: AsyncRedis | RedisCluster) -> None:
        self._client = client
        self.calls: list[int] = []

    async def call(self, script: Script, keys: Sequence[bytes], args: Sequence[bytes]) -> object:
        self.calls.append(len(keys))
        return await evaluate(self._run, script, keys, args)

    async def _run(self, command: Command) -> object:
        try:
            return await self._client.execute_command(*command)
        except NoScriptError:
            raise RedisUnavailable("unknown script", "noscript") from None


class MovedTime:
    """A ScriptCaller for which it is whatever time the test says. Blocks: nothing else happens meanwhile.

    `at` are microseconds since 1970.
    """

    def __init__(self, port: int) -> None:
        self.client: Any = Redis(port=port)  # its commands have no types
        self.at = 0
        self.calls: list[int] = []

    async def call(self, script: Script, keys: Sequence[bytes], args: Sequence[bytes]) -> object:
        self.calls.append(len(keys))
        return await evaluate(self._run, script, keys, (b"%d" % self.at, *args[1:]))

    async def _run(self, command: Command) -> object:
        try:
            return self.client.execute_command(*command)
        except NoScriptError:
            raise RedisUnavailable("unknown script", "noscript") from None


def client_of(port: int, **options: Any) -> AsyncRedis:
    """A client that sends each command once."""
    return AsyncRedis(port=port, retry=Retry(NoBackoff(), 0), **options)


def cluster_client_of(port: int) -> RedisCluster:
    """The same for a cluster."""
    return RedisCluster(host="127.0.0.1", port=port, retry=Retry(NoBackoff(), 0))
