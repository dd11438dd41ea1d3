"""From `[upstreams.NAME]` tables to what the proxy forwards to."""

from __future__ import annotations

from pathlib import Path

from gateway_auth.config.schema_upstreams import HealthTable, TlsTable, UpstreamTable, parse_statuses
from gateway_auth.core.upstream import HealthCheck, TlsFiles, Upstream, UpstreamLimits, parse_server


def compile_upstream(name: str, table: UpstreamTable, folder: Path) -> Upstream:
    """One group, of a table in which no problem was found."""
    return Upstream(
        name=name,
        servers=tuple(parse_server(server) for server in table.servers),
        host=table.host,
        tls=_compile_tls(table.tls, folder) if table.tls is not None else TlsFiles(),
        limits=UpstreamLimits(
            connect_timeout_seconds=table.connect_timeout_seconds,
            response_timeout_seconds=table.response_timeout_seconds,
            idle_timeout_seconds=table.idle_timeout_seconds,
            max_connections=table.max_connections,
        ),
        health=_compile_health(table.health) if table.health is not None else None,
        fail_after=table.fail_after,
        fail_seconds=table.fail_seconds,
        is_forwarded_told=table.forwarded,
        may_be_metadata=table.allow_metadata_address,
    )


def _compile_tls(table: TlsTable, folder: Path) -> TlsFiles:
    ca_file, certificate, key = (
        str((folder / path).absolute()) if path is not None else None
        for path in (table.ca_file, table.client_certificate, table.client_key)
    )
    return TlsFiles(ca_file=ca_file, server_name=table.server_name, client_certificate=certificate, client_key=key)


def _compile_health(table: HealthTable) -> HealthCheck:
    lowest, highest = parse_statuses(table.status)
    return HealthCheck(
        path=table.path,
        interval_seconds=table.interval_seconds,
        timeout_seconds=table.timeout_seconds,
        unhealthy_after=table.unhealthy_after,
        healthy_after=table.healthy_after,
        lowest_status=lowest,
        highest_status=highest,
    )
