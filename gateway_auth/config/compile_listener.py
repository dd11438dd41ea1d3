"""What the tables say about the listener, compiled: a unix socket, TLS. Opens and reads nothing."""

from __future__ import annotations

import os
from pathlib import Path

from gateway_auth.config.addresses import socket_path
from gateway_auth.config.configuration import SocketSettings, TlsSettings
from gateway_auth.config.schema import GatewayTable
from gateway_auth.config.schema_tls import TlsTable


def compile_socket(gateway: GatewayTable, folder: Path) -> SocketSettings | None:
    """The unix socket `listen` names, if it names one."""
    path = socket_path(gateway.listen)
    if path is None:
        return None
    return SocketSettings(path=os.path.abspath(folder / path), mode=int(gateway.listen_mode, 8))


def compile_tls(table: TlsTable | None, folder: Path) -> TlsSettings | None:
    """TLS, if there is any."""
    if table is None:
        return None
    return TlsSettings(
        certificate_file=os.path.abspath(folder / table.certificate),
        key_file=os.path.abspath(folder / table.key.removeprefix("file:")),
        min_version=table.min_version,
        is_http2=table.http2,
        client_ca_file=os.path.abspath(folder / table.client_ca) if table.client_ca is not None else None,
    )
