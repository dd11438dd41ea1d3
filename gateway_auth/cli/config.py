"""`gateway-auth config`: is the configuration right, and what does it mean? It words and prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway_auth.cli.failures import UNUSABLE, CommandFailed, CommandRefused
from gateway_auth.cli.options import AsJson, Config
from gateway_auth.cli.output import complain, tell, tell_fields, tell_json, tell_table
from gateway_auth.errors import ConfigError, NotFound, Problem

if TYPE_CHECKING:
    from gateway_auth.config import Configuration
    from gateway_auth.core.keys import VerifiedKey

configuration = typer.Typer(help="The configuration: is it right, and what does it mean?", no_args_is_help=True)


@configuration.command()
def check(config: Config = "", as_json: AsJson = False) -> None:
    """Say everything that is wrong with the configuration. Exits 2 when something is."""
    from gateway_auth.bootstrap.sharing import refuse_unusable
    from gateway_auth.config import load
    from gateway_auth.server.tls_files import read_tls

    try:
        loaded = load(config)
        refuse_unusable(loaded.redis)
        if loaded.tls is not None:
            read_tls(loaded.tls)
    except ConfigError as error:
        if not as_json:
            raise
        tell_json({"ok": False, "problems": _listed(error.problems), "warnings": []})
        raise typer.Exit(UNUSABLE) from None
    if as_json:
        tell_json({"ok": True, "problems": [], "warnings": _listed(loaded.warnings)})
        return
    for warning in loaded.warnings:
        complain(f"warning: {warning}")
    tell(f"{config}: no problem in {len(loaded.rules.policies)} routes")


@configuration.command()
def explain(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="As in the request: GET, POST, …")],
    path: Annotated[str, typer.Argument(metavar="PATH", help="As in the request: /v1/orders/1")],
    key_id: Annotated[str, typer.Option(metavar="KEY_ID", help="Also say what this key would meet.")] = "",
    client: Annotated[
        str, typer.Option("--from", metavar="ADDRESS", help="The client's address, as the gateway takes it.")
    ] = "",
    https: Annotated[
        bool | None,
        typer.Option("--https/--http", help="How it arrives.", show_default=""),
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="'NAME: VALUE'", help="Headers it carries: Origin, Referer, X-Ios-…")
    ] = None,
    scope: Annotated[list[str] | None, typer.Option(metavar="SCOPE", help="Scopes the caller holds.")] = None,
    role: Annotated[list[str] | None, typer.Option(metavar="ROLE", help="Roles the caller holds.")] = None,
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """Show which route a request falls under, and what it has to pass, in order. Needs no credential.

    What nothing is said about stands as "depends".
    """
    import time

    from gateway_auth.cli.explain import explain_request
    from gateway_auth.cli.explain_given import read_given
    from gateway_auth.cli.explanation import route_view
    from gateway_auth.config import load

    loaded = load(config)
    key = _read_key(loaded, key_id) if key_id else None
    if key is not None and (scope or role):
        raise CommandRefused("--scope and --role say what a caller without --key-id holds; leave out one or the other")
    table = loaded.rules.headers
    given = read_given(table, client=client, is_https=https, headers=header or (), scopes=scope or (), roles=role or ())
    explanation = explain_request(loaded.rules, method, path, key, time.time(), given)
    if as_json:
        tell_json(explanation.view())
        return
    tell(explanation.summary())
    tell()
    tell_table(("check", "result", "because"), [(step.check, step.result, step.because) for step in explanation.steps])
    if explanation.policy is not None:
        tell()
        tell_fields(route_view(explanation.policy))


@configuration.command()
def schema(_as_json: AsJson = False) -> None:
    """Print the JSON Schema of gateway.toml, for editors. That is JSON with --json and without."""
    from gateway_auth.config.document import json_schema

    tell_json(json_schema())


def _listed(problems: list[Problem] | tuple[Problem, ...]) -> list[dict[str, str]]:
    return [{"path": problem.path, "message": problem.message} for problem in problems]


def _read_key(loaded: Configuration, key_id: str) -> VerifiedKey:
    """The key as it would be judged, without its secret."""
    import asyncio
    import time

    from gateway_auth.adapters.sql import SqlStore
    from gateway_auth.core.keys import compile_key

    async def read() -> VerifiedKey:
        store = SqlStore(loaded.store_url)
        try:
            reading = await store.read_key(key_id)
        finally:
            await store.close()
        if reading.key is None or reading.app is None:
            raise NotFound(f"there is no key {key_id}; `gateway-auth keys list` shows all")
        try:
            return compile_key(reading.key, reading.app, loaded.rules.scopes_of, loaded.rules.plans, time.time())
        except ValueError as error:
            raise CommandFailed(f"key {key_id} cannot be used: {error}") from None

    return asyncio.run(read())
