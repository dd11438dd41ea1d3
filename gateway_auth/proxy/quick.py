"""A request on the fast path: sent and answered in the callbacks of its upstream connection, without a task.

It takes a request without a body, an idle connection and an answer that comes whole and soon. What turns out otherwise
goes on as an `Exchange`, from where it is.
"""

from __future__ import annotations

from typing import Protocol

from gateway_auth.proxy.connection import UpstreamConnection
from gateway_auth.proxy.pool import Pool
from gateway_auth.proxy.request import RequestHead
from gateway_auth.proxy.response import Field, ResponseReader
from gateway_auth.proxy.sweep import Sweep
from gateway_auth.proxy.way import Way


class Told(Protocol):
    """Who waits for the answer. One of the two is called, once, and never before `start` has returned."""

    def on_answer(self, status: int, fields: list[Field], body: bytes) -> None:
        """All of it. The upstream's part is over."""

    def on_more(self, sent: QuickExchange) -> None:
        """It takes longer, or comes in parts, or has failed: `sent` is for `ProxyApp.go_on`."""


class QuickExchange:
    """Used once: `start`. Until it tells, it holds its connection."""

    __slots__ = ("_sweep", "_told", "birth", "connection", "head", "pool", "reader", "way")

    connection: UpstreamConnection
    reader: ResponseReader

    def __init__(self, head: RequestHead, way: Way, sweep: Sweep, told: Told) -> None:
        self.head = head
        self.way = way
        self.pool: Pool = way.balancer.choose()
        self.birth = sweep.now
        self._sweep = sweep
        self._told = told

    def start(self) -> bool:
        """Send the request; False, and nothing has happened, where no connection is idle."""
        connection = self.pool.take()
        if connection is None:
            return False
        self.connection = connection
        self.reader = connection.begin(is_head=self.head.is_head)
        connection.on_progress = self._on_progress
        connection.write(self.head.data)
        self._sweep.add(self)
        return True

    def on_tick(self, now: int) -> None:
        """Whoever takes longer is looked after, in time for the route's own patience: by then the client may leave."""
        if now > self.birth + 1 or now + 1 >= self.birth + self.way.patience.head_ticks:
            self._hand_over()

    def _on_progress(self) -> None:
        reader, connection = self.reader, self.connection
        if connection.failure is None and reader.is_complete:
            self._let_go()
            self.pool.standing.absolve()
            body = reader.take()
            self.pool.give_back(connection, is_reusable=True)
            self._told.on_answer(reader.status, reader.headers, body)
        elif connection.failure is not None or reader.status:
            self._hand_over()

    def _hand_over(self) -> None:
        self._let_go()
        self._told.on_more(self)

    def _let_go(self) -> None:
        self.connection.on_progress = None
        self._sweep.discard(self)
