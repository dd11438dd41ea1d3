"""Worker processes that speak HTTP/1.1."""

from __future__ import annotations

import multiprocessing
import socket
import ssl
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from gateway_auth.config import Configuration
from gateway_auth.config.configuration import TlsSettings
from gateway_auth.server.garbage import settle
from gateway_auth.server.http1_server import Http1Server, http1_config
from gateway_auth.server.tls_files import MemoryFile, TlsFiles
from gateway_auth.server.worker import begin, build

_TLS_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Http1Workers:
    """Makes the processes that serve one configuration, with the certificate it was checked with."""

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
        name = f"gateway-auth worker {number + 1}"
        return multiprocessing.Process(target=self._serve, args=(listener, ready), name=name), heard

    def close(self) -> None:
        """Nobody will ask for another one."""

    def _serve(self, listener: socket.socket, ready: Connection) -> None:
        begin(listener)
        parts = build(self._configuration, self._snapshots)
        rules = self._configuration.rules

        def tell_ready() -> None:
            settle()
            ready.send_bytes(b"ready")

        config = http1_config(
            parts.app,
            max_connections=self._connections,
            max_message_bytes=rules.max_body_bytes,
            context=self._context,
            fast_path=parts.fast_path,
        )
        Http1Server(config, tell_ready, parts.leave).run(sockets=[listener])


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
