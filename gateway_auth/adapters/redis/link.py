"""One connection to one Redis server. It carries one command at a time and is used again only after a whole reply.

Everything else ends it: a timeout, a cancelled caller, half a reply, bytes nobody asked for. So no reply can reach
another request than the one it answers (security case S13). It knows no pool and no breaker.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Protocol

from hiredis import pack_command
from msgspec import Struct
from redis import exceptions as foreign
from redis.asyncio.connection import Connection, SSLConnection
from redis.maint_notifications import MaintNotificationsConfig

from gateway_auth.adapters.redis.address import Endpoint
from gateway_auth.adapters.redis.failures import translate, unavailable

Command = tuple[bytes | str | int | float, ...]
Reply = object

GRACE_SECONDS = 0.002
"""Waited anew before a deadline: if the loop was held up, the reply lies in the socket. As long again is left for the
end of the connection to be told, so that the caller has its answer in time."""


class LinkSettings(Struct, frozen=True):
    """What all connections of one address have in common."""

    connect_seconds: float
    db: int = 0
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        return f"LinkSettings(db={self.db})"


class _Droppable:
    """Ends a connection of the library at once, with what was not sent yet: its `disconnect` waits for that."""

    _writer: asyncio.StreamWriter | None
    _reader: asyncio.StreamReader | None

    @property
    def stream(self) -> asyncio.WriteTransport:
        if self._writer is None:
            raise foreign.ConnectionError
        return self._writer.transport

    def drop(self) -> None:
        self._writer = self._reader = None


class _PlainWire(_Droppable, Connection): ...


class _TlsWire(_Droppable, SSLConnection): ...


class _Wire(Protocol):
    """What is used of the library's connection; it has no types of its own for these."""

    @property
    def stream(self) -> asyncio.WriteTransport: ...
    def drop(self) -> None: ...
    async def connect(self) -> None: ...
    async def send_packed_command(self, command: list[bytes], check_health: bool = True) -> None: ...
    async def read_response(self, *, timeout: float | None = None, push_request: bool = False) -> Reply: ...  # noqa: ASYNC109
    async def can_read(self) -> bool: ...


class Link:
    """One open connection. Made by `open`; ended by `close`, or by itself when something goes wrong."""

    def __init__(self, wire: _Wire) -> None:
        self._wire = wire
        self._transport = wire.stream
        self._timer: asyncio.TimerHandle | None = None
        self._is_late = False
        self.is_open = True

    @classmethod
    async def open(cls, endpoint: Endpoint, settings: LinkSettings) -> Link:
        """Connect, say HELLO, log in, select the database. Raises RedisUnavailable."""
        wire = _wire(endpoint, settings)
        try:
            async with asyncio.timeout(settings.connect_seconds):
                await wire.connect()
            return cls(wire)
        except Exception as error:  # noqa: BLE001  a peer that is no Redis can make the library raise anything
            raise translate(error) from None

    async def exchange(self, command: Command, seconds: float) -> Reply:
        """The reply to one command within `seconds`. Raises RedisUnavailable; then see `is_open`."""
        packed = self._packed(command)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(0.0, seconds - 2 * GRACE_SECONDS), self._give_grace, loop)
        is_answered = False
        try:
            await self._wire.send_packed_command(packed, check_health=False)
            reply = await self._wire.read_response()
            is_answered = True
            return reply
        except foreign.ResponseError as error:
            is_answered = True
            raise translate(error) from None
        except Exception as error:  # noqa: BLE001  as above
            raise (unavailable("timeout") if self._is_late else translate(error)) from None
        finally:
            self._timer.cancel()
            if not is_answered:
                self.close()

    async def is_quiet(self) -> bool:
        """Whether nothing came that nobody asked for: the end of the connection, or bytes of an older reply."""
        try:
            return self.is_open and not self._transport.is_closing() and not await self._wire.can_read()
        except Exception:  # noqa: BLE001  it asks the parser, which has none when the connection is gone
            return False

    async def send(self, command: Command) -> None:
        """Send without waiting for a reply; for subscriptions. Raises RedisUnavailable and is closed then."""
        packed = self._packed(command)
        try:
            await self._wire.send_packed_command(packed, check_health=False)
        except Exception as error:  # noqa: BLE001  as above
            self.close()
            raise translate(error) from None

    async def receive(self, seconds: float) -> Reply | None:
        """What comes next, pushed messages too; None when nothing does. Raises RedisUnavailable and is closed then."""
        try:
            return await self._wire.read_response(timeout=seconds, push_request=True)
        except Exception as error:  # noqa: BLE001  as above
            self.close()
            raise translate(error) from None

    def close(self) -> None:
        """End it at once, with everything under way on it."""
        self.is_open = False
        self._transport.abort()
        self._wire.drop()

    def _packed(self, command: Command) -> list[bytes]:
        if not self.is_open:
            # The library would connect again, behind the back of every deadline here.
            raise unavailable("reset")
        # A sixth of what the library's own takes, which is in Python.
        return [pack_command(command)]  # type: ignore[arg-type]  # typed as a tuple of one

    def _give_grace(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(GRACE_SECONDS, self._expire)

    def _expire(self) -> None:
        self._is_late = True
        # Whoever waits for the reply sees the connection end. That is cheaper than a timeout around each command.
        self._transport.abort()


def _wire(endpoint: Endpoint, settings: LinkSettings) -> _Wire:
    kind = _PlainWire if settings.tls is None else _TlsWire
    wire = kind(
        host=endpoint.host,
        port=endpoint.port,
        db=settings.db,
        username=settings.username,
        password=settings.password,
        protocol=3,
        # Deadlines are this module's. The library's own would be one more timeout per write and per read.
        socket_timeout=None,
        socket_connect_timeout=settings.connect_seconds,
        driver_info=None,  # CLIENT SETINFO: a trip more, and a permission more
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    if isinstance(wire, _TlsWire):
        wire.ssl_context.context = settings.tls  # else each connection reads the certificates of the system again
    return wire
