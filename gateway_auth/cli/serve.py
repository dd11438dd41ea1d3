"""`gateway-auth serve`: everything is checked before anything starts. The server itself is `server`'s business."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gateway_auth.cli.failures import CommandRefused
from gateway_auth.cli.options import Config

if TYPE_CHECKING:
    from gateway_auth.config import Configuration

Level = Literal["debug", "info", "warning", "error"]

NEEDED = ("granian", "httptools", "uvicorn", "websockets")


def serve(
    listen: Annotated[str, typer.Option(metavar="HOST:PORT|unix:PATH", help="Instead of gateway.listen.")] = "",
    upstream: Annotated[str, typer.Option(metavar="URL", help="Instead of gateway.upstream.")] = "",
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, help="Instead of gateway.workers.")] = None,
    local_limits: Annotated[
        bool,
        typer.Option(
            "--local-limits",
            help="Without Redis, let each of several workers count limits by itself: more is admitted.",
        ),
    ] = False,
    log_level: Annotated[
        Level, typer.Option(metavar="debug|info|warning|error", help="What is logged: this and what is worse.")
    ] = "info",
    config: Config = "",
) -> None:
    """Serve as a reverse proxy in front of gateway.upstream, until SIGTERM or Ctrl-C.

    SIGHUP, or a change of a file, reads configuration, secrets and certificate again, with new workers beside the
    old; one with problems is not taken.
    """
    import logging.config

    require_server()
    from gateway_auth.server.composition import refuse_uncounted
    from gateway_auth.server.listening import refuse_taken, resolve
    from gateway_auth.server.logs import log_settings
    from gateway_auth.server.sockets import TcpAddress, UnixAddress
    from gateway_auth.server.standalone import Server

    overrides = {
        "gateway.listen": listen or None,
        "gateway.upstream": upstream or None,
        "gateway.workers": workers,
    }

    def check(configuration: Configuration) -> None:
        refuse_uncounted(configuration, is_local_accepted=local_limits)
        _open_store(configuration)

    server = Server(config, overrides, check, log_level)
    configuration = server.configuration
    address: TcpAddress | UnixAddress
    if configuration.socket is not None:
        address = UnixAddress(configuration.socket)
    else:
        host, port = configuration.listen
        address = TcpAddress(resolve(host, port), port)
        refuse_taken(resolve(host, port), port)
    status = _resolve_status(configuration)
    logging.config.dictConfig(log_settings(log_level))
    raise typer.Exit(server.run(address, status))


def require_server() -> None:
    """Raises CommandRefused where the packages to serve with are missing."""
    from importlib.util import find_spec

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise CommandRefused(f"serving needs {' and '.join(missing)}: pip install 'gateway-auth[server]'")


def _resolve_status(configuration: Configuration) -> tuple[str, int] | None:
    """Where to tell numbers. Raises CannotServe where nobody could, CommandRefused without the package for it."""
    from importlib.util import find_spec

    from gateway_auth.server.listening import refuse_taken, resolve

    if configuration.status_listen is None:
        return None
    if find_spec("prometheus_client") is None:
        raise CommandRefused("gateway.status_listen needs prometheus-client: pip install 'gateway-auth[metrics]'")
    host, port = configuration.status_listen
    address = resolve(host, port)
    refuse_taken(address, port)
    return address, port


def _open_store(configuration: Configuration) -> None:
    """Raises StoreError or ConfigError, in words for a person, where every worker would fail."""
    import asyncio

    from gateway_auth.adapters.sql import SqlStore
    from gateway_auth.cli.peppers import refuse_unverifiable

    async def open_and_close() -> None:
        store = SqlStore(configuration.store_url)
        try:
            await store.open()
            await refuse_unverifiable(store, configuration)
        finally:
            await store.close()

    asyncio.run(open_and_close())
