"""Worker processes by Granian, for HTTP/2. The only place that knows how Granian makes them; it starts none.

Granian's own parent replaces workers one by one and ends those still busy after its one timeout; ours (`supervisor`)
keeps them apart: see docs/decisions/0015-listening.md. What is used of Granian here is not its public interface.
"""

from __future__ import annotations

import multiprocessing
import socket
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from granian import Granian
from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes
from granian.http import HTTP1Settings, HTTP2Settings
from granian.log import LogLevels

from gateway_auth.config import Configuration
from gateway_auth.server.logs import log_settings
from gateway_auth.server.sockets import BACKLOG
from gateway_auth.server.tls_files import MemoryFile, TlsFiles
from gateway_auth.server.worker import draining_app

IDLE_MILLISECONDS = 65_000
"""For a request's head to arrive, and between requests. Longer than the 60 s of common load balancers, which
would otherwise send a request into a connection that is just being closed."""
MAX_HEAD_BYTES = 64 * 1024

HTTP1 = HTTP1Settings(header_read_timeout=IDLE_MILLISECONDS, max_buffer_size=MAX_HEAD_BYTES)
HTTP2 = HTTP2Settings(
    max_concurrent_streams=100,
    # No pings: their answers would make a connection that does nothing look alive (`idle` closes those).
    keep_alive_interval=None,
    max_headers_size=MAX_HEAD_BYTES,
    # What a connection may make us hold: enough for 100 Mbit/s at 40 ms, too little to fill memory by the thousand.
    initial_connection_window_size=512 * 1024,
    initial_stream_window_size=256 * 1024,
    max_send_buffer_size=128 * 1024,
)


class GranianWorkers:
    """Makes the processes that serve one configuration, with the certificate it was checked with."""

    def __init__(
        self,
        configuration: Configuration,
        tls: TlsFiles,
        *,
        level: str,
        connections: int,
        snapshots: Path | None,
    ) -> None:
        self._configuration = configuration
        self._snapshots = snapshots
        # Untyped: what is used of it is not what its types describe.
        self._granian: Any = Granian(
            "gateway-auth",
            interface=Interfaces.ASGI,
            http=HTTPModes.auto,
            runtime_mode=RuntimeModes.mt,
            loop=Loops.uvloop if find_spec("uvloop") else Loops.asyncio,
            backlog=BACKLOG,
            # Granian counts connections by it, idle ones too.
            backpressure=connections,
            http1_settings=HTTP1,
            http2_settings=HTTP2,
            log_level=LogLevels(level),
            log_dictconfig=log_settings(level),
            log_access=False,
        )
        self._files: list[MemoryFile] = []
        settings = configuration.tls
        if settings is None:
            raise ValueError("HTTP/2 comes with TLS: without it only clients that know beforehand would speak it")
        self._granian.ssl_ctx = self._tls(tls, f"tls{settings.min_version}")

    def make(self, number: int, listener: socket.socket) -> tuple[BaseProcess, Connection]:
        """A process that has not been started, and where it says that it is ready."""
        heard, ready = multiprocessing.Pipe(duplex=False)
        granian = self._granian
        granian._ssp = None
        granian._sso = None
        granian._shd = _holder(listener)
        worker = granian._spawn_worker(
            number,
            granian._spawn_asgi_lifespan_worker,
            partial(draining_app, self._configuration, listener, ready, self._snapshots),
        )
        process: BaseProcess = worker.inner
        return process, heard

    def _tls(self, tls: TlsFiles, version: str) -> Any:
        """As Granian hands it to workers. Its own way there takes files, which may be others by then."""
        authorities = self._kept(tls.client_ca) if tls.client_ca is not None else None
        files = (self._kept(tls.certificate), self._kept(tls.key))
        return (True, *files, None, version, authorities, [], authorities is not None)

    def close(self) -> None:
        """Give up what only further processes would need."""
        for file in self._files:
            file.close()

    def _kept(self, content: bytes) -> str:
        file = MemoryFile(content)
        self._files.append(file)
        return file.path


def _holder(listener: socket.socket) -> object:
    """The socket as Granian takes it; it also wants the backlog where it calls `listen` itself."""
    holder: Callable[..., object] = SocketHolder
    backlog = (BACKLOG,) if sys.platform.startswith(("linux", "freebsd")) else ()
    return holder(listener.fileno(), listener.family == socket.AF_UNIX, *backlog)
