"""What fits the schema and still cannot be meant of upstreams: names of no group, files that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway_auth.config.examine import Piece
from gateway_auth.config.problems import problem, suggest
from gateway_auth.config.schema import GatewayTable
from gateway_auth.config.schema_routes import RouteTable
from gateway_auth.config.schema_upstreams import UpstreamTable
from gateway_auth.config.secret import check_private_file
from gateway_auth.config.shape import Path as KeyPath
from gateway_auth.core.upstream import UPSTREAM_NAME, is_metadata_host, parse_server
from gateway_auth.errors import Problem


def find_upstream_contradictions(
    upstreams: Mapping[str, Piece[UpstreamTable]],
    gateway: Piece[GatewayTable],
    routes: list[Piece[RouteTable]],
    folder: Path,
) -> list[Problem]:
    """Every unknown name, address of credentials, and file of TLS that cannot be read or is open to others."""
    return [
        *_unknown_names(upstreams, gateway, routes),
        *(found for piece in upstreams.values() for found in _metadata_servers(piece)),
        *(found for piece in upstreams.values() for found in _unusable_files(piece, folder)),
    ]


def _unknown_names(
    upstreams: Mapping[str, Piece[UpstreamTable]], gateway: Piece[GatewayTable], routes: list[Piece[RouteTable]]
) -> Iterator[Problem]:
    named = [(gateway.path, gateway.table), *((piece.path, piece.table) for piece in routes)]
    for path, table in named:
        name = table.upstream if table is not None else None
        if name is not None and UPSTREAM_NAME.fullmatch(name) and name not in upstreams:
            hint = suggest(name, upstreams) or f'; add [upstreams.{name}], or write an address: "http://{name}"'
            yield problem((*path, "upstream"), f'unknown upstream "{name}"{hint}')


def _metadata_servers(piece: Piece[UpstreamTable]) -> Iterator[Problem]:
    if piece.table is None or piece.table.allow_metadata_address or not piece.has("allow_metadata_address"):
        return
    for position, server in enumerate(piece.table.servers):
        if is_metadata_host(parse_server(server).host):
            message = (
                "is a link-local or metadata address, which hands out this machine's own credentials: refused; "
                "write allow_metadata_address = true where that is meant"
            )
            yield problem((*piece.path, "servers", position), message)


def _unusable_files(piece: Piece[UpstreamTable], folder: Path) -> Iterator[Problem]:
    tls = piece.table.tls if piece.table is not None else None
    if tls is None:
        return
    for key in ("ca_file", "client_certificate"):
        written = getattr(tls, key)
        path: KeyPath = (*piece.path, "tls", key)
        if written is not None and not _is_readable(folder / written):
            yield problem(path, "cannot be read; put the certificates (PEM) there")
    if tls.client_key is not None:
        try:
            check_private_file(tls.client_key, folder / tls.client_key)
        except ValueError as error:
            yield problem((*piece.path, "tls", "client_key"), str(error))


def _is_readable(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return bool(file.read(1))
    except OSError:
        return False
