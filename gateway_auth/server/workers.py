"""Which kind of worker process serves a configuration."""

from __future__ import annotations

from pathlib import Path

from gateway_auth.config import Configuration
from gateway_auth.server.processes import Maker
from gateway_auth.server.tls_files import TlsFiles


def workers_for(
    configuration: Configuration, tls: TlsFiles | None, *, level: str, connections: int, snapshots: Path | None
) -> Maker:
    """What makes the processes that serve one configuration, with the certificate it was checked with.

    Each takes so many `connections`. HTTP/2 is Granian's; HTTP/1.1 alone is served by `http1`, which is quicker and
    sees all a client wrote: see docs/decisions/0021-http1-by-ourselves.md.
    """
    settings = configuration.tls
    if settings is not None and settings.is_http2 and tls is not None:
        from gateway_auth.server.granian_workers import GranianWorkers

        return GranianWorkers(configuration, tls, level=level, connections=connections, snapshots=snapshots)
    from gateway_auth.server.http1_workers import Http1Workers

    return Http1Workers(configuration, tls, connections=connections, snapshots=snapshots)
