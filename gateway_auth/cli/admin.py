"""`gateway-auth admin`: serves the admin plane on its own listener. Everything is checked before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway_auth.cli.options import Config
from gateway_auth.cli.serve import Level, require_server

if TYPE_CHECKING:
    from gateway_auth.config import Configuration


def admin(
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Instead of gateway.admin_listen.")] = "",
    log_level: Annotated[
        Level, typer.Option(metavar="debug|info|warning|error", help="What is logged: this and what is worse.")
    ] = "info",
    config: Config = "",
) -> None:
    """Serve the admin API, health and metrics, until SIGTERM or Ctrl-C. One process; `admins create` makes tokens."""
    import asyncio
    import logging.config

    require_server()
    from gateway_auth.config import load
    from gateway_auth.server.listening import refuse_taken, resolve
    from gateway_auth.server.logs import log_settings

    configuration = load(config, overrides={"gateway.admin_listen": listen or None})
    host, port = configuration.admin_listen
    address = resolve(host, port)
    refuse_taken(address, port)
    logging.config.dictConfig(log_settings(log_level))
    asyncio.run(_serve(configuration, address, port))


async def _serve(configuration: Configuration, address: str, port: int) -> None:
    import logging

    from gateway_auth.bootstrap.admin import AdminParts
    from gateway_auth.bootstrap.sharing import refuse_unusable
    from gateway_auth.config.addresses import is_loopback
    from gateway_auth.server.composition import build_admin
    from gateway_auth.server.in_process import serving, stop_signal
    from gateway_auth.server.listening import spelled

    logger = logging.getLogger("gateway_auth.admin")
    refuse_unusable(configuration.redis)
    stopped = stop_signal()
    parts = AdminParts(configuration)
    try:
        await parts.store.open()
        async with serving(build_admin(parts), port, address):
            logger.info("the admin plane listens on http://%s", spelled(address, port))
            if not is_loopback(address):
                logger.warning(
                    "the admin plane is reachable from other machines and speaks plain HTTP, tokens and new keys"
                    " among it: put a proxy with TLS before it, or listen on loopback"
                )
            await stopped.wait()
    finally:
        await parts.close()
