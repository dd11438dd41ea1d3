"""`gateway-auth store`: the database that keeps apps, keys and the audit. What a schema and a backup are, it knows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from gateway_auth.cli.asking import confirm
from gateway_auth.cli.failures import CommandFailed
from gateway_auth.cli.new_files import whole_file
from gateway_auth.cli.options import AsJson, Config, Yes
from gateway_auth.cli.output import note, tell, tell_json

if TYPE_CHECKING:
    from gateway_auth.adapters.sql import SqlStore
    from gateway_auth.adapters.sql.restore import Restored

store = typer.Typer(help="The store: where apps, keys and the audit are kept.", no_args_is_help=True)

T = TypeVar("T")


@store.command()
def upgrade(config: Config = "", as_json: AsJson = False) -> None:
    """Bring the store to this version's schema. Stop the gateways that use it first."""
    from gateway_auth.adapters.sql.schema import CURRENT_SCHEMA

    found, now = _with_store(config, lambda store: store.upgrade()), CURRENT_SCHEMA.version
    if as_json:
        tell_json({"from": found, "to": now})
    elif found is None:
        tell(f"created a store of schema {now}")
    elif found == now:
        tell(f"the store has schema {now} already")
    else:
        tell(f"upgraded the store from schema {found} to {now}")


@store.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file.")],
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """Write all of the store, as of now, to a new file. Gateways go on meanwhile; another kind of store can read it."""
    import time

    from gateway_auth.adapters.sql.dump import dump

    async def write(store: SqlStore) -> int:
        with whole_file(file) as out:
            return await dump(store, out, time.time())

    rows = _with_store(config, write)
    tell_json({"file": str(file), "rows": rows}) if as_json else tell(f"{file}: {rows} rows")


@store.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    yes: Yes = False,
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """Bring back what a backup holds: all into an empty store, else only what the store has lost since."""
    import time

    from gateway_auth.adapters.sql.backup import Backup, UnusableBackup
    from gateway_auth.adapters.sql.restore import restore
    from gateway_auth.adapters.system import SystemClock
    from gateway_auth.bootstrap.management import anchored
    from gateway_auth.cli.session import actor
    from gateway_auth.config import load
    from gateway_auth.lifecycle.input import format_time

    try:
        examined = Backup(file)
        made_at = format_time(int(examined.header.made_at))
        confirm(f"Restore the backup of {made_at}?", yes=yes)

        async def bring_back(store: SqlStore) -> Restored:
            async with anchored(store, load(config), SystemClock()):
                return await restore(store, examined, actor(), time.time())

        done = _with_store(config, bring_back)
    except UnusableBackup as error:
        raise CommandFailed(f"{file} {error}") from None
    _tell_restored(done, made_at, as_json)


def _tell_restored(done: Restored, made_at: str, as_json: bool) -> None:
    counts = {name: getattr(done, name) for name in ("apps", "keys", "revocations", "left_out")}
    if as_json:
        tell_json({**counts, "was_empty": done.was_empty, "went_on": done.went_on})
    else:
        tell(f"restored {done.apps} apps, {done.keys} keys, {done.revocations} revocations")
    if done.left_out:
        note(f"{done.left_out} were left out: they were deleted since the backup was made")
    if done.was_empty:
        note(f"What was disabled, revoked or deleted after {made_at} is not known here, and works again: do it anew.")


def _with_store(config: str, use: Callable[[SqlStore], Awaitable[T]]) -> T:
    import asyncio

    from gateway_auth.adapters.sql import SqlStore
    from gateway_auth.config import load

    url = load(config).store_url

    async def run() -> T:
        store = SqlStore(url)
        try:
            return await use(store)
        finally:
            await store.close()

    return asyncio.run(run())
