"""`gateway-auth init`: a directory to start from. The configuration is written last, so that it stands for all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway_auth.cli.failures import CommandFailed
from gateway_auth.cli.new_files import PUBLIC_MODE, SECRET_MODE, make_directory, make_file, refuse_link
from gateway_auth.cli.options import DEFAULT_CONFIG
from gateway_auth.cli.output import note, tell

PEPPER_BYTES = 48
PRIVATE_DIRECTORY = 0o700

_IGNORED = """\
# Secrets and stores never belong in a repository.
/secrets/
*.db
*.db-shm
*.db-wal
"""


def init(
    directory: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where; made when there is none.", show_default=False)
    ] = Path(),
) -> None:
    """Make gateway.toml, a secret, .gitignore and a store. Overwrites nothing."""
    configuration = directory / DEFAULT_CONFIG
    refuse_link(configuration)
    if configuration.exists():
        raise CommandFailed(f"{configuration} is there already; edit it, or name another directory")
    for path, is_new in prepare(directory):
        tell(f"{'made' if is_new else 'kept'}  {path}")
    _tell_next_steps(directory)


def prepare(directory: Path, **values: str) -> list[tuple[Path, bool]]:
    """Make what is missing, and check that it works together: (path, whether it is new) of each.

    `values` are those of `config.starter_toml`. Interrupted at any point, the next run completes it.
    """
    from gateway_auth.config.starter import starter_toml

    return prepare_with(directory, starter_toml(**values))


def prepare_with(directory: Path, toml: str) -> list[tuple[Path, bool]]:
    """The same, with the text of the configuration. It names `secrets/pepper` and `gateway.db`."""
    import asyncio
    from secrets import token_urlsafe

    from gateway_auth.adapters.sql import SqlStore
    from gateway_auth.config import load

    secrets, configuration = directory / "secrets", directory / DEFAULT_CONFIG
    make_directory(directory)
    refuse_link(secrets)
    make_directory(secrets, PRIVATE_DIRECTORY)
    made = [
        (directory / ".gitignore", make_file(directory / ".gitignore", _IGNORED, PUBLIC_MODE)),
        (secrets / "pepper", make_file(secrets / "pepper", f"{token_urlsafe(PEPPER_BYTES)}\n", SECRET_MODE)),
    ]
    store_file = directory / "gateway.db"
    refuse_link(store_file)
    made.append((store_file, not store_file.exists()))

    async def create_store() -> None:
        store = SqlStore(f"sqlite:///{store_file.absolute()}")
        try:
            await store.open()
        finally:
            await store.close()

    asyncio.run(create_store())
    made.append((configuration, make_file(configuration, toml, PUBLIC_MODE)))
    load(configuration)
    return made


def _tell_next_steps(directory: Path) -> None:
    note()
    note("Next:")
    if directory != Path():
        note(f"  cd {directory}")
    note("  gateway-auth apps create shop --plan free")
    note("  gateway-auth keys create --app shop --scope orders:read")
    note("  gateway-auth serve        # set gateway.upstream in gateway.toml first")
    note("  gateway-auth doctor       # when something does not work")
    note("Keep a copy of secrets/pepper in a safe place: without it no key of this store can be verified.")
