"""`gateway-auth serve`: everything is checked before anything starts. The server itself is `server`'s business."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gateway_auth.cli.failures import CommandRefused
from gateway_auth.cli.options import Config

if TYPE_CHECKING:
    from gateway_auth.config import Configuration

Level = Literal["debug", "info", "warning", "error"]

NEEDED = ("granian", "httptools", "websockets")


def serve(
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Instead of gateway.listen.")] = "",
    upstream: Annotated[str, typer.Option(metavar="URL", help="Instead of gateway.upstream.")] = "",
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, help="Instead of gateway.workers.")] = None,
    local_limits: Annotated[
        bool,
        typer.Option(
            "--local-limits",
            help="Without [redis], let each of several workers count limits by itself: more is admitted.",
        ),
    ] = False,
    log_level: Annotated[
        Level, typer.Option(metavar="debug|info|warning|error", help="What is logged: this and what is worse.")
    ] = "info",
    config: Config = "",
) -> None:
    """Serve as a reverse proxy in front of gateway.upstream, until SIGTERM or Ctrl-C.

    SIGHUP reads routes, plans, roles and secrets again, with new workers; a configuration with problems is not taken.
    """
    import logging.config
    from functools import partial

    require_server()
    from gateway_auth.cli.composition import refuse_uncounted, refuse_unservable
    from gateway_auth.cli.listening import refuse_taken, resolve
    from gateway_auth.cli.logs import log_settings
    from gateway_auth.cli.server import run_server
    from gateway_auth.config import load

    overrides = {
        "gateway.listen": listen or None,
        "gateway.upstream": upstream or None,
        "gateway.workers": workers,
    }
    configuration = load(config, overrides=overrides)
    refuse_unservable(configuration)
    refuse_uncounted(configuration, is_local_accepted=local_limits)
    _open_store(configuration)
    host, port = configuration.listen
    address = resolve(host, port)
    refuse_taken(address, port)
    logging.config.dictConfig(log_settings(log_level))
    check = partial(refuse_uncounted, is_local_accepted=local_limits)
    raise typer.Exit(run_server(address, port, configuration.workers, log_level, config, overrides, check))


def require_server() -> None:
    """Raises CommandRefused where the packages to serve with are missing."""
    from importlib.util import find_spec

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise CommandRefused(f"serving needs {' and '.join(missing)}: pip install 'gateway-auth[server]'")


def _open_store(configuration: Configuration) -> None:
    """Raises StoreError, in words for a person, where every worker would fail."""
    import asyncio

    from gateway_auth.adapters.sql import SqlStore

    async def open_and_close() -> None:
        store = SqlStore(configuration.store_url)
        try:
            await store.open()
        finally:
            await store.close()

    asyncio.run(open_and_close())
