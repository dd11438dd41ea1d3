"""Which node of a cluster a command goes to. It follows redirections and keeps the map of slots; nodes do the rest."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator

from redis.crc import key_slot

from gateway_auth.adapters.redis.address import Endpoint
from gateway_auth.adapters.redis.failures import Redirected, unavailable
from gateway_auth.adapters.redis.link import Command, Link, Reply
from gateway_auth.adapters.redis.node import Node
from gateway_auth.errors import RedisUnavailable

MAX_REDIRECTIONS = 3
REFRESH_SECONDS = 0.25
MAX_NODES = 1000


class Cluster:
    """Sends each command to the node that has the slot of its key.

    Each node has a breaker of its own: one that is down takes its slots with it and no others. While one is, the map
    is read again a few times a second, so that the replica that takes over is found: also where nobody asks any more,
    as who sees that a node is left alone does not. `on_moved` is called whenever it was read so.
    """

    def __init__(
        self,
        seeds: tuple[Endpoint, ...],
        make_node: Callable[[Endpoint], Node],
        timeout_seconds: float,
        on_moved: Callable[[], None],
    ) -> None:
        self._seeds = seeds
        self._make_node = make_node
        self._timeout = timeout_seconds
        self._on_moved = on_moved
        self._nodes: dict[Endpoint, Node] = {}
        self._slots: dict[int, Node] = {}
        self._refreshing: asyncio.Task[None] | None = None
        self._seeking: asyncio.Task[None] | None = None
        self._refresh_at = float("-inf")
        self._closing: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def shard_of(self, key: bytes) -> int:
        """The slot: the commands of one script must stay in one."""
        slot: int = key_slot(key)
        return slot

    def is_available(self, key: bytes | None) -> bool:
        """Whether the node for a key would be asked; any node where there is no key or no map yet."""
        node = self._slots.get(self.shard_of(key)) if key is not None else None
        if node is not None:
            return not node.breaker.is_open
        return not self._nodes or any(not node.breaker.is_open for node in self._nodes.values())

    async def run(self, command: Command, key: bytes | None, seconds: float | None) -> Reply:
        """The reply of the right node, within `seconds` for all redirections together."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self._timeout if seconds is None else seconds)
        slot = self.shard_of(key) if key is not None else None
        if not self._slots:
            await self._first_map(deadline)
        node, is_asking = self._node_for(slot), False
        for _ in range(MAX_REDIRECTIONS):
            try:
                return await node.run(command, max(0.0, deadline - loop.time()), is_asking=is_asking)
            except Redirected as redirection:
                is_asking = redirection.is_once
                node = self._redirected(redirection, node)
            except RedisUnavailable:
                self._refresh_soon()
                raise
        raise unavailable("clusterdown")

    async def dial(self) -> Link:
        """A connection to any node that can be reached."""
        if not self._slots:
            await self._first_map(asyncio.get_running_loop().time() + self._timeout)
        return await self._node_for(None).dial()

    def nodes(self) -> Iterator[Node]:
        """The nodes known now."""
        return iter(self._nodes.values())

    def seek(self) -> None:
        """A node is left alone from now on: look who has its slots, until all that have some are asked again."""
        if self._seeking is None and not self._is_closed:
            self._seeking = asyncio.create_task(self._seek(), name="gateway-auth redis cluster search")

    async def close(self) -> None:
        """Close every node."""
        self._is_closed = True
        tasks = [task for task in (self._seeking, self._refreshing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(node.close() for node in self._nodes.values()), *self._closing)

    def _node_for(self, slot: int | None) -> Node:
        if slot is not None:
            node = self._slots.get(slot)
            if node is None:
                self._refresh_soon()
                raise unavailable("clusterdown")
            return node
        nodes = list(self._nodes.values())
        return random.choice([node for node in nodes if not node.breaker.is_open] or nodes)  # noqa: S311

    def _redirected(self, redirection: Redirected, asked: Node) -> Node:
        # An empty host means: the one that was asked (cluster-preferred-endpoint-type unknown-endpoint).
        host = redirection.host or self._endpoint_of(asked).host
        node = self._node_at(Endpoint(host, redirection.port))
        if not redirection.is_once:
            self._slots[redirection.slot] = node
            self._refresh_soon()
        return node

    def _endpoint_of(self, node: Node) -> Endpoint:
        return next(endpoint for endpoint, known in self._nodes.items() if known is node)

    def _node_at(self, endpoint: Endpoint) -> Node:
        node = self._nodes.get(endpoint)
        if node is None:
            if len(self._nodes) >= MAX_NODES:
                raise unavailable("garbage")
            node = self._nodes[endpoint] = self._make_node(endpoint)
        return node

    # -- the map --------------------------------------------------------------------------------------------------

    async def _first_map(self, deadline: float) -> None:
        self._refresh_soon()
        if self._refreshing is None:
            raise unavailable("clusterdown")  # it failed a moment ago
        try:
            async with asyncio.timeout_at(deadline):
                await asyncio.shield(self._refreshing)
        except TimeoutError:
            raise unavailable("timeout") from None
        if not self._slots:
            raise unavailable("clusterdown")

    def _refresh_soon(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._refreshing is None and now >= self._refresh_at:
            self._refresh_at = now + REFRESH_SECONDS * (0.8 + 0.4 * random.random())  # noqa: S311
            self._refreshing = asyncio.create_task(self._refresh(), name="gateway-auth redis cluster map")

    async def _seek(self) -> None:
        try:
            while any(node.breaker.is_open for node in self._nodes.values()):
                await asyncio.sleep(max(0.01, self._refresh_at - asyncio.get_running_loop().time()))
                self._refresh_soon()
                if self._refreshing is not None:
                    await asyncio.wait((self._refreshing,))
                # Each time: some slots may be served again while others are not.
                self._on_moved()
        finally:
            self._seeking = None

    async def _refresh(self) -> None:
        try:
            for endpoint in self._to_ask():
                node = self._node_at(endpoint)
                try:
                    answer = await node.run(("CLUSTER", "SLOTS"), max(self._timeout, REFRESH_SECONDS))
                except RedisUnavailable:
                    continue
                if self._apply(read_slots(answer, endpoint.host)):
                    return
        finally:
            self._refreshing = None

    def _to_ask(self) -> list[Endpoint]:
        known, seeds = list(self._nodes), list(self._seeds)
        random.shuffle(known)
        random.shuffle(seeds)
        return list(dict.fromkeys((*known, *seeds)))

    def _apply(self, ranges: list[tuple[int, int, Endpoint]]) -> bool:
        if not ranges:
            return False
        self._slots = {
            slot: node
            for first, last, endpoint in ranges
            for node in (self._node_at(endpoint),)
            for slot in range(first, last + 1)
        }
        current = {endpoint for _, _, endpoint in ranges}
        for endpoint in [endpoint for endpoint in self._nodes if endpoint not in current]:
            task = asyncio.create_task(self._nodes.pop(endpoint).close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        return True


def read_slots(answer: Reply, asked_host: str) -> list[tuple[int, int, Endpoint]]:
    """(first slot, last slot, master) of an answer to CLUSTER SLOTS; empty where it is none."""
    ranges = []
    for row in answer if isinstance(answer, list) else ():
        match row:
            case [int(first), int(last), [host, int(port), *_], *_] if 0 <= first <= last < 16384 and 0 < port < 65536:
                name = host.decode("utf-8", "replace") if isinstance(host, bytes) else ""
                # None, "" and "?": not known by name, but reached where this answer came from.
                ranges.append((first, last, Endpoint(asked_host if name in ("", "?") else name, port)))
            case _:
                return []
    return ranges[:16384]
