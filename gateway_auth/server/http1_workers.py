"""Worker processes that speak HTTP/1.1: uvicorn's server and WebSockets around the connections of `http1`."""

from __future__ import annotations

import asyncio
import multiprocessing
import select
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from uvicorn import Config, Server

from gateway_auth.asgi.request_id import request_ids
from gateway_auth.config import Configuration
from gateway_auth.config.configuration import TlsSettings
from gateway_auth.core.decision import Deny, Reason
from gateway_auth.core.outcome import Outcome, deny_outcome
from gateway_auth.server.garbage import settle
from gateway_auth.server.http1 import Connections
from gateway_auth.server.sockets import BACKLOG
from gateway_auth.server.tls_files import MemoryFile, TlsFiles
from gateway_auth.server.worker import begin, build

DRAIN_SECONDS = 2.0
"""For clients that are busy to send one more request, and to be told that it is the last: longer than they pause."""
FAREWELL_SECONDS = 3.0
"""For clients to answer the close of what has no end of its own."""
QUEUE_SECONDS = 1.0
_LOOK_SECONDS = 0.1
_GLANCE_SECONDS = 0.001

_TLS_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Http1Workers:
    """Makes the processes that serve one configuration."""

    def __init__(
        self, configuration: Configuration, tls: TlsFiles | None, *, connections: int, snapshots: Path | None
    ) -> None:
        self._configuration = configuration
        self._connections = connections
        self._snapshots = snapshots
        settings = configuration.tls
        self._context = tls_context(tls, settings) if tls is not None and settings is not None else None

    def make(self, number: int, listener: socket.socket) -> tuple[BaseProcess, Connection]:
        """A process that has not been started, and where it says that it is ready."""
        heard, ready = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.Process(
            target=self._serve, args=(listener, ready), name=f"gateway-auth worker {number + 1}"
        )
        return process, heard

    def close(self) -> None:
        """Nobody will ask for another one."""

    def _serve(self, listener: socket.socket, ready: Connection) -> None:
        begin(listener)
        parts = build(self._configuration, self._snapshots)

        def tell_ready() -> None:
            settle()
            ready.send_bytes(b"ready")

        refusals = request_ids()
        realm = self._configuration.rules.realm

        def refusal() -> bytes:
            return _whole(deny_outcome(Deny(Reason.MALFORMED_REQUEST), realm, refusals()[1].decode("ascii")))

        connections = Connections(
            parts.app, max_connections=self._connections, refusal=refusal, failure=lambda: _FAILURE
        )
        config = Config(
            parts.app,
            http=connections.open,  # type: ignore[arg-type]  # it is called as a class is
            ws="websockets-sansio",
            ws_max_size=self._configuration.rules.max_body_bytes,
            loop="uvloop" if _has_uvloop() else "asyncio",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
        )
        config.load()
        config.ssl = self._context
        LeavingServer(config, listener, tell_ready, parts.leave).run(sockets=[listener])


def tls_context(files: TlsFiles, settings: TlsSettings) -> ssl.SSLContext:
    """What connections are encrypted with: the files as they were checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _TLS_VERSIONS[settings.min_version]
    context.set_alpn_protocols(["http/1.1"])
    certificate, key = MemoryFile(files.certificate), MemoryFile(files.key)
    try:
        context.load_cert_chain(certificate.path, key.path)
    finally:
        certificate.close()
        key.close()
    if files.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=files.client_ca.decode("ascii"))
    return context


class LeavingServer(Server):
    """Says when it serves, and leaves without losing a request: whoever is on the way is answered, and told to go."""

    def __init__(
        self,
        config: Config,
        listener: socket.socket,
        tell_ready: Callable[[], None],
        leave: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(config)
        self._listener = listener
        self._tell_ready = tell_ready
        self._leave = leave

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept."""
        await super().startup(sockets)
        if self.started:
            self._tell_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing new, let everybody finish, close what is idle."""
        loop = asyncio.get_running_loop()
        until = loop.time() + QUEUE_SECONDS
        # Where nobody else has the socket, whoever waits in its queue when it is closed is thrown out.
        while loop.time() < until and _is_waited_at(self._listener):  # noqa: ASYNC110
            await asyncio.sleep(_GLANCE_SECONDS)
        for server in self.servers:
            server.close()
        for connection in self.server_state.connections:
            connection.is_leaving = True  # type: ignore[union-attr]  # uvicorn's own take no notice
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._leave()
        until = loop.time() + DRAIN_SECONDS
        while loop.time() < until and self.server_state.connections:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)
        await super().shutdown(sockets)


def _is_waited_at(listener: socket.socket) -> bool:
    """Whether a connection waits to be accepted."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    return bool(poll.poll(0))


def _has_uvloop() -> bool:
    from importlib.util import find_spec

    return find_spec("uvloop") is not None


_FAILURE = (
    b"HTTP/1.1 500 Internal Server Error\r\ncontent-type: text/plain\r\ncontent-length: 21\r\nconnection: close\r\n\r\n"
    b"Internal Server Error"
)


def _whole(outcome: Outcome) -> bytes:
    """An answer as it goes over a connection that it is the last on."""
    lines = [b"HTTP/1.1 400 Bad Request", *(b": ".join(header) for header in outcome.headers), b"connection: close"]
    return b"\r\n".join(lines) + b"\r\n\r\n" + outcome.body
