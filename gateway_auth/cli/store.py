"""`gateway-auth store`: the database that keeps apps and keys. What a schema is, the store knows."""

from __future__ import annotations

import typer

from gateway_auth.cli.options import AsJson, Config
from gateway_auth.cli.output import tell, tell_json

store = typer.Typer(help="The store: where apps, keys and the audit are kept.", no_args_is_help=True)


@store.command()
def upgrade(config: Config = "", as_json: AsJson = False) -> None:
    """Bring the store to this version's schema. Stop the gateways that use it first."""
    import asyncio

    from gateway_auth.adapters.sql import SqlStore
    from gateway_auth.adapters.sql.schema import CURRENT_SCHEMA
    from gateway_auth.config import load

    url = load(config).store_url

    async def run() -> str | None:
        store = SqlStore(url)
        try:
            return await store.upgrade()
        finally:
            await store.close()

    found, now = asyncio.run(run()), CURRENT_SCHEMA.version
    if as_json:
        tell_json({"from": found, "to": now})
    elif found is None:
        tell(f"created a store of schema {now}")
    elif found == now:
        tell(f"the store has schema {now} already")
    else:
        tell(f"upgraded the store from schema {found} to {now}")
