"""Redis as the other adapters use it: one server, the master sentinels watch, or a cluster, behind one surface."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol, assert_never

from gateway_auth.adapters.redis.address import Endpoint, RedisAddress, parse_address, tls_context
from gateway_auth.adapters.redis.breaker import Breaker
from gateway_auth.adapters.redis.cluster import Cluster
from gateway_auth.adapters.redis.failures import unavailable
from gateway_auth.adapters.redis.link import Command, Link, LinkSettings, Reply
from gateway_auth.adapters.redis.node import Node
from gateway_auth.adapters.redis.script import Script, evaluate
from gateway_auth.adapters.redis.sentinel import SentinelDial

MIN_CONNECT_SECONDS = 0.3
"""Making a connection may take longer than a command: TCP, TLS, HELLO and SELECT are up to five trips."""

OnChange = Callable[[bool], None]


class Topology(Protocol):
    """Which server a command goes to. `key` None: any. Raises RedisUnavailable."""

    def shard_of(self, key: bytes) -> int: ...
    def is_available(self, key: bytes | None) -> bool: ...
    async def run(self, command: Command, key: bytes | None, seconds: float | None) -> Reply: ...
    async def dial(self) -> Link: ...
    def nodes(self) -> Iterable[Node]: ...
    def seek(self) -> None: ...
    async def close(self) -> None: ...


class Single:
    """One server for everything, wherever it is found."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def shard_of(self, key: bytes) -> int:
        return 0

    def is_available(self, key: bytes | None) -> bool:
        return not self._node.breaker.is_open

    async def run(self, command: Command, key: bytes | None, seconds: float | None) -> Reply:
        return await self._node.run(command, seconds)

    async def dial(self) -> Link:
        return await self._node.dial()

    def nodes(self) -> Iterable[Node]:
        return (self._node,)

    def seek(self) -> None:
        """The node finds its server again by itself."""

    async def close(self) -> None:
        await self._node.close()


class RedisConnection:
    """Runs commands. Raises RedisUnavailable for whatever goes wrong, `timeout_seconds` after the call at the latest.

    Nothing is opened before the first command, so it may be made before a fork. It belongs to the event loop of its
    first command. `on_change` is called with "is it left alone now" when a breaker opens or closes.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float = 0.05,
        on_change: OnChange | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Raises ConfigError for an URL or a certificate file that cannot be used."""
        self.address = parse_address(url)
        self._settings = _settings(self.address, timeout_seconds)
        self._timeout = timeout_seconds
        self.calls = 0
        """Commands given, those of scripts among them."""
        self._openings = 0
        self._failures: Counter[str] = Counter()
        self._on_change = on_change
        self._monotonic = monotonic
        self._chance = chance
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False
        self._topology = self._make_topology()

    async def run(self, command: Command, *, seconds: float | None = None) -> Reply:
        """The reply to a command without a key; in a cluster that of any node. `seconds` instead of the usual time."""
        return await self.run_on(None, command, seconds=seconds)

    async def run_on(self, key: bytes | None, command: Command, *, seconds: float | None = None) -> Reply:
        """The reply to a command about `key`, and others of its shard."""
        self._check_loop()
        self.calls += 1
        return await self._topology.run(command, key, seconds)

    async def call(self, script: Script, keys: Sequence[bytes], args: Sequence[bytes]) -> Reply:
        """`script.ScriptCaller`: the reply of a script, sent where its first key lies."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout

        async def run(command: Command) -> Reply:
            return await self.run_on(keys[0], command, seconds=deadline - loop.time())

        return await evaluate(run, script, keys, args)

    def shard_of(self, key: bytes) -> int:
        """Keys with the same number may stand in one command."""
        return self._topology.shard_of(key)

    def is_available(self, key: bytes | None = None) -> bool:
        """Whether a command would be sent at all: the breaker is closed. Never waits."""
        return self._topology.is_available(key)

    async def dial(self) -> Link:
        """A connection of one's own, for subscriptions: to the master, or to any node. The caller closes it."""
        self._check_loop()
        return await self._topology.dial()

    def failures(self) -> Counter[str]:
        """How many commands and probes failed, by kind."""
        return Counter(self._failures)

    def openings(self) -> int:
        """How often a breaker opened."""
        return self._openings

    async def close(self) -> None:
        """Close for good. Commands under way fail."""
        self._is_closed = True
        await self._topology.close()

    def _check_loop(self) -> None:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            if self._loop is not None:
                raise RuntimeError("a RedisConnection belongs to one event loop; make one for each worker")
            self._loop = loop
        if self._is_closed:
            raise unavailable("closed")

    def _make_topology(self) -> Topology:
        address, settings = self.address, self._settings
        match address.mode:
            case "cluster":
                return Cluster(address.endpoints, self._node_at, self._timeout, lambda: self._tell(False))
            case "sentinel":
                dial = SentinelDial(address.endpoints, address.service, settings)
                return Single(self._node(f"master {address.service}", dial))
            case "standalone":
                return Single(self._node_at(address.endpoints[0]))
            case _:
                assert_never(address.mode)

    def _changed(self, is_open: bool) -> None:
        self._openings += is_open
        if is_open:
            self._topology.seek()
        self._tell(is_open)

    def _tell(self, is_open: bool) -> None:
        if self._on_change is not None:
            self._on_change(is_open)

    def _node_at(self, endpoint: Endpoint) -> Node:
        return self._node(str(endpoint), lambda: Link.open(endpoint, self._settings))

    def _node(self, name: str, dial: Callable[[], Awaitable[Link]]) -> Node:
        breaker = Breaker(name, self._monotonic, self._chance, self._changed)
        node = Node(name, dial, self._timeout, breaker)
        node.counts = self._failures  # of all: what is told only grows, while nodes of a cluster come and go
        if self.address.mode == "cluster":
            node.mute |= {"moved"}  # that is how a cluster speaks
        return node


def _settings(address: RedisAddress, timeout_seconds: float) -> LinkSettings:
    return LinkSettings(
        connect_seconds=max(MIN_CONNECT_SECONDS, timeout_seconds),
        db=address.db,
        username=address.username,
        password=address.password,
        tls=tls_context(address),
    )
