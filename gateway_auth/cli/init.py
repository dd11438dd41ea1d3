"""`gateway-auth init`: a directory to start from. The configuration comes last: where it is, all else is."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from gateway_auth.cli.failures import CommandFailed
from gateway_auth.cli.new_files import PUBLIC_MODE, SECRET_MODE, make_directory, make_file, refuse_link
from gateway_auth.cli.options import DEFAULT_CONFIG, AsJson
from gateway_auth.cli.output import note, tell, tell_json

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
    as_json: AsJson = False,
) -> None:
    """Make gateway.toml, a secret, .gitignore and a store. Overwrites nothing."""
    configuration = directory / DEFAULT_CONFIG
    refuse_link(configuration)
    if configuration.exists():
        raise CommandFailed(f"{configuration} is there already; edit it, or name another directory")
    from gateway_auth.config import load
    from gateway_auth.config.starter import starter_toml

    prepared = prepare(directory, starter_toml())
    if as_json:
        tell_json([{"path": str(path), "made": is_new} for path, is_new in prepared])
    else:
        for path, is_new in prepared:
            tell(f"{'made' if is_new else 'kept'}  {path}")
    load(configuration)
    _tell_next_steps(directory)


def prepare(directory: Path, toml: str) -> list[tuple[Path, bool]]:
    """Make what is missing: (path, whether it is new) of each. Interrupted at any point, the next run completes it.

    `toml` is the text of the configuration, which names `secrets/pepper` and `gateway.db`.
    """
    from secrets import token_urlsafe

    secrets, configuration, store = directory / "secrets", directory / DEFAULT_CONFIG, directory / "gateway.db"
    make_directory(directory)
    refuse_link(secrets)
    make_directory(secrets, PRIVATE_DIRECTORY)
    made = [
        (directory / ".gitignore", make_file(directory / ".gitignore", _IGNORED, PUBLIC_MODE)),
        (secrets / "pepper", make_file(secrets / "pepper", f"{token_urlsafe(PEPPER_BYTES)}\n", SECRET_MODE)),
        (store, _make_store(store)),
    ]
    # Last: where there is a configuration, there is all it names.
    return [*made, (configuration, make_file(configuration, toml, PUBLIC_MODE))]


def _make_store(file: Path) -> bool:
    """Open the store once, which makes it. Returns whether there was none."""
    import asyncio

    from gateway_auth.adapters.sql import SqlStore

    refuse_link(file)
    is_new = not file.exists()
    url = f"sqlite:///{file.absolute()}"

    async def open_and_close() -> None:
        store = SqlStore(url)
        try:
            await store.open()
        finally:
            await store.close()

    asyncio.run(open_and_close())
    return is_new


def _tell_next_steps(directory: Path) -> None:
    note()
    note("Next:")
    if directory != Path():
        note(f"  cd {shlex.quote(str(directory))}")
    note("  gateway-auth apps create shop --plan free")
    note("  gateway-auth keys create --app shop --scope orders:read")
    note("  gateway-auth serve        # set gateway.upstream in gateway.toml first")
    note("  gateway-auth doctor       # when something does not work")
    note("Keep a copy of secrets/pepper in a safe place: without it no key of this store can be verified.")
