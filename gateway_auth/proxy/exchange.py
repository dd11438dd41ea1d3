"""One request and its response, between an ASGI server and an upstream connection.

Knows no policy and no identity. The quick way – no body or a small one, an answer that comes at once – runs
without a task or a timer of its own. Only an exchange that outlives a tick of the sweep, or that streams a
request body, gets a task beside it (`_tend`), which also notices that the client has left: servers accept
`send` silently from then on, they tell only through `receive`.
"""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Send

from gateway_auth.proxy.body import RequestBody
from gateway_auth.proxy.connection import UpstreamConnection
from gateway_auth.proxy.failures import ClientLeft, ConnectionLost, RequestRefused, UpstreamTimeout, UpstreamUnavailable
from gateway_auth.proxy.pool import Pool
from gateway_auth.proxy.quick import QuickExchange
from gateway_auth.proxy.request import RequestHead, without_body
from gateway_auth.proxy.response import ResponseReader
from gateway_auth.proxy.sweep import Sweep
from gateway_auth.proxy.upload import Gathering, Pace
from gateway_auth.proxy.way import Way


class Exchange:
    """Used once: `run`, or `go_on`. A failure before `has_begun` can still be answered.

    After it the client must be dropped.
    """

    __slots__ = (
        "_balancer",
        "_birth",
        "_body",
        "_connection",
        "_deadline",
        "_head",
        "_pace",
        "_patience",
        "_send",
        "_sweep",
        "_tender",
        "has_begun",
    )

    def __init__(self, head: RequestHead, receive: Receive, send: Send, *, way: Way, sweep: Sweep) -> None:
        self._head = head
        self._body = RequestBody(receive, head.body_bytes)
        self._send = send
        self._balancer = way.balancer
        self._sweep = sweep
        self._patience = way.patience
        self._connection: UpstreamConnection | None = None
        self._tender: asyncio.Task[None] | None = None
        self._pace: Pace | None = None
        self._deadline = 0
        self._birth = sweep.now
        self.has_begun = False

    async def run(self) -> None:
        """Raises `ExchangeFailed`, `ClientLeft`, or what `receive` raised.

        The upstream connection is settled by then.
        """
        body = self._body
        try:
            first = self._head.data
            if not body.is_complete:
                # Awaited before a connection is taken: a client that only promises a body holds none.
                first = await self._with_opening()
            pool = self._balancer.choose()
            if not body.is_complete and pool.is_half_taken:
                first += await self._gathering().most(body)
            connection = pool.take()
            if connection is None:
                pool, connection = await self._balancer.connect(pool)
            self._deadline = self._sweep.now + self._patience.head_ticks
            reader = connection.begin(is_head=self._head.is_head)
            connection.write(first)
            await self._converse(pool, connection, reader)
        finally:
            body.abandon()

    async def go_on(self, sent: QuickExchange) -> None:
        """From where another has come with it: the request is sent. Raises as `run` does."""
        self._birth = sent.birth
        self._deadline = sent.birth + self._patience.head_ticks
        await self._converse(sent.pool, sent.connection, sent.reader)

    async def _with_opening(self) -> bytes:
        """The head, and what of the body is sent right behind it."""
        opening = await self._gathering().opening(self._body)
        if self._body.is_absent:
            self._head, opening = without_body(self._head), b""
        return self._head.data + opening

    def on_tick(self, now: int) -> None:
        """Called by the sweep while the upstream is involved."""
        if now >= self._deadline:
            self._fail(self._lateness())
        elif self._pace is not None and self._pace.is_too_slow():
            self._fail(RequestRefused("the client is slow, and others wait for its connection"))
        elif self._tender is None and now > self._birth + 1:
            self._tender = asyncio.get_running_loop().create_task(self._tend())

    async def _converse(self, pool: Pool, connection: UpstreamConnection, reader: ResponseReader) -> None:
        """From the request's head to the end, on a second connection where the first was closed under it."""
        try:
            await self._hear(pool, connection, reader)
        except ConnectionLost:
            # The upstream closed an idle connection while this request was on its way: nothing of it was
            # answered, and only a request that may safely arrive twice is sent again (RFC 9110 section 9.2.2,
            # attack P16).
            if not (self._head.is_repeatable and connection.is_reused and not connection.has_answered):
                raise
            pool, connection = await self._balancer.connect(pool)
            self._await_upstream()
            reader = connection.begin(is_head=self._head.is_head)
            connection.write(self._head.data)
            await self._hear(pool, connection, reader)

    async def _hear(self, pool: Pool, connection: UpstreamConnection, reader: ResponseReader) -> None:
        """Everything on one connection. It is given back on every way out."""
        self._connection = connection
        self._sweep.add(self)
        try:
            if not self._body.is_complete:
                self._await_progress()
                self._pace = Pace(pool, self._sweep)
                self._tender = asyncio.get_running_loop().create_task(self._tend())
            while connection.failure is None and not reader.status:
                await connection.progress()
            # Checked first: a response that is broken behind its head can still be answered with an error.
            if connection.failure is not None:
                if self._is_held_against(connection):
                    pool.standing.strike(connection.failure)
                raise connection.failure
            pool.standing.absolve()
            self._await_progress()
            self.has_begun = True
            await self._send({"type": "http.response.start", "status": reader.status, "headers": reader.headers})
            if not reader.is_complete:
                await self._pass_on(connection, reader)
            last = reader.take()
        finally:
            self._settle(pool, connection)
        # The upstream is free again before the client has taken the end; a slow client holds no connection
        # for it.
        await self._send({"type": "http.response.body", "body": last, "more_body": False})

    async def _pass_on(self, connection: UpstreamConnection, reader: ResponseReader) -> None:
        """Send the body as it comes, until the last of it has been read."""
        if not reader.buffered_bytes:
            # Servers hold the head back until the first body message; event streams need it now.
            await self._send({"type": "http.response.body", "body": b"", "more_body": True})
        while not reader.is_complete:
            if connection.failure is not None:
                raise connection.failure
            data = reader.take()
            if not data:
                await connection.progress()
                continue
            connection.resume()
            await self._send({"type": "http.response.body", "body": data, "more_body": True})
            self._await_progress()

    def _settle(self, pool: Pool, connection: UpstreamConnection) -> None:
        """No more ticks, no more reading from the client.

        The connection is reused only if both sides said all.
        """
        self._sweep.discard(self)
        self._connection = None
        if self._tender is not None:
            self._tender.cancel()
            self._tender = None
        pool.give_back(connection, is_reusable=self._body.is_complete)

    async def _tend(self) -> None:
        """Send the rest of the request body, then wait for the client to leave."""
        try:
            await self._send_rest()
            await self._body.client_leaves()
            self._fail(ClientLeft())
        except Exception as error:  # noqa: BLE001 - whatever `receive` raised is raised again by `run`
            self._fail(error)

    async def _send_rest(self) -> None:
        connection, pace = self._connection, self._pace
        if connection is None or pace is None:
            return
        while connection.failure is None and not self._body.is_complete:
            await self._send_piece(connection, pace)

    async def _send_piece(self, connection: UpstreamConnection, pace: Pace) -> None:
        """Wait for one piece from the client and for room towards the upstream."""
        pace.is_waiting = True
        piece = await self._body.piece()
        pace.is_waiting = False
        pace.sent(len(piece))
        connection.write(piece)
        await connection.drain()
        if self._body.is_complete and not self.has_begun:
            self._await_upstream()
        else:
            self._await_progress()

    def _fail(self, error: Exception) -> None:
        if self._connection is not None:
            self._connection.fail(error)

    def _lateness(self) -> Exception:
        if self._pace is not None and self._pace.is_waiting and not self.has_begun:
            return RequestRefused("the client stopped sending its body")
        return UpstreamTimeout("nothing came in time")

    def _is_held_against(self, connection: UpstreamConnection) -> bool:
        """Whether the server failed: not the client, the route, or only a connection that was idle for too long."""
        failure = connection.failure
        if isinstance(failure, ConnectionLost):
            return connection.has_answered or not connection.is_reused
        if isinstance(failure, UpstreamTimeout):
            return self._patience.is_upstreams
        return isinstance(failure, UpstreamUnavailable)

    def _gathering(self) -> Gathering:
        return Gathering(self._sweep, self._patience.idle_ticks)

    def _await_upstream(self) -> None:
        self._deadline = self._sweep.now + self._patience.head_ticks

    def _await_progress(self) -> None:
        self._deadline = self._sweep.now + self._patience.idle_ticks
