"""`gateway-auth demo`: everything in one process, with keys to try and a tour that can check itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from gateway_auth.cli.failures import FAILED, CommandRefused
from gateway_auth.cli.options import DEFAULT_CONFIG
from gateway_auth.server.listening import free_port, refuse_taken

if TYPE_CHECKING:
    from gateway_auth.config import Configuration

PORT = 8080
ADMIN_PORT = 8081


def demo(
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, metavar="PORT", help="Where to listen, 8080 unless given; 0 takes a free port."),
    ] = None,
    admin_port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="PORT", help="For the admin plane; 0 takes a free port."),
    ] = ADMIN_PORT,
    data_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where configuration, secrets and store are kept; else they are removed."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Take the tour, say what came back, and stop.")] = False,
) -> None:
    """Try it: a gateway, a sample API behind it, ready-made keys, and requests to copy."""
    import asyncio

    from gateway_auth.cli.serve import require_server

    require_server()
    # A check is nobody's address to know: it must not fail because something else has port 8080.
    chosen = port if port is not None else 0 if check else PORT
    if chosen and chosen == admin_port:
        admin_port = chosen + 1 if chosen < 65535 else chosen - 1
    chosen = chosen or free_port()
    refuse_taken("127.0.0.1", chosen)
    if not check:
        admin_port = admin_port or free_port()
        refuse_taken("127.0.0.1", admin_port)
    with _directory(data_dir) as directory:
        configuration = _prepare(directory, chosen, admin_port)
        raise typer.Exit(asyncio.run(_show(configuration, directory, is_kept=data_dir is not None, check=check)))


@contextmanager
def _directory(data_dir: Path | None) -> Iterator[Path]:
    """The directory given, or a fresh one that is removed at the end."""
    if data_dir is not None:
        yield data_dir
        return
    with TemporaryDirectory(prefix="gateway-auth-demo-") as name:
        yield Path(name)


def _prepare(directory: Path, port: int, admin_port: int) -> Configuration:
    """Make what is missing in the directory, and load it. Raises CommandRefused where it is somebody's own gateway."""
    from gateway_auth.cli.init import prepare
    from gateway_auth.config import load
    from gateway_auth.demo.configuration import DEMO_TOML, MARK

    toml = directory / DEFAULT_CONFIG
    if toml.exists() and not toml.read_text("utf-8", errors="replace").startswith(MARK):
        raise CommandRefused(f"{toml} is not a demo's; name another directory with --data-dir")
    prepare(directory, DEMO_TOML)
    overrides = {
        "gateway.listen": f"127.0.0.1:{port}",
        "gateway.admin_listen": f"127.0.0.1:{admin_port}" if admin_port else None,
        "gateway.upstream": f"http://127.0.0.1:{free_port()}",
    }
    # An environment made for another gateway must not lead the demo to that one's store.
    return load(toml, environ={}, overrides=overrides)


async def _show(configuration: Configuration, directory: Path, *, is_kept: bool, check: bool) -> int:
    import asyncio
    import logging.config

    from gateway_auth.bootstrap.admin import AdminParts
    from gateway_auth.cli.demo_check import take_tour
    from gateway_auth.cli.demo_text import AdminPlace, tell_check, tell_tour
    from gateway_auth.demo.cast import make_admin, make_keys
    from gateway_auth.demo.orders import orders_app
    from gateway_auth.demo.tour import tour
    from gateway_auth.proxy import parse_upstream
    from gateway_auth.server.composition import build, build_admin
    from gateway_auth.server.in_process import serving, stop_signal
    from gateway_auth.server.logs import log_settings

    logging.config.dictConfig(log_settings("warning"))
    stopped = stop_signal()
    parts = AdminParts(configuration)
    port, admin_port = configuration.listen[1], configuration.admin_listen[1]
    upstream = parse_upstream(configuration.default_upstream or "")
    try:
        keys = await make_keys(parts.store, configuration)
        steps = tour(keys, configuration.rules.key_format)
        built = build(configuration)
        async with (
            serving(orders_app(), upstream.servers[0].port),
            serving(built.app, port, fast_path=built.fast_path),
        ):
            if check:
                taken = await asyncio.to_thread(take_tour, steps, port)
                return 0 if tell_check(taken) else FAILED
            token = await make_admin(parts.store, configuration)
            async with serving(build_admin(parts), admin_port):
                tell_tour(keys, steps, AdminPlace(admin_port, token), directory, port, is_kept=is_kept)
                sys.stdout.flush()
                await stopped.wait()
    finally:
        await parts.close()
    return 0
