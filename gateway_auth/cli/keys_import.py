"""`gateway-auth keys import`: keys that were issued elsewhere. It reads, words and prints; `lifecycle` decides."""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from gateway_auth.cli.failures import CommandRefused
from gateway_auth.cli.key_rotation import keys
from gateway_auth.cli.options import AsJson, Config
from gateway_auth.cli.output import note, tell, tell_json
from gateway_auth.cli.session import Session, with_session
from gateway_auth.errors import ConfigError, Problem
from gateway_auth.lifecycle.views import key_view

if TYPE_CHECKING:
    from gateway_auth.lifecycle.import_keys import Entry, Imported, Prepared

__all__ = ["keys"]

MAX_PROBLEMS = 50
_LIBRARIES = {"bcrypt": "bcrypt", "argon2id": "cryptography"}


@keys.command("import")
def import_keys(
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV with a head, or JSON Lines; `-` is stdin.")],
    app: Annotated[str, typer.Option(metavar="APP", help="The app they belong to: its id, or its name.")],
    written_as: Annotated[
        str | None, typer.Option("--format", metavar="csv|jsonl", help="What FILE is, where its name does not say.")
    ] = None,
    hash_kind: Annotated[
        str, typer.Option("--hash", metavar="KIND", help="sha256, sha512, bcrypt or argon2id, where no column says.")
    ] = "",
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """Import keys that were issued elsewhere: the keys themselves, or hashes of them. All lines are checked first."""
    from gateway_auth.cli.import_file import read_entries

    entries = read_entries(file, written_as)

    async def check_and_import(session: Session) -> Imported:
        app_id = (await session.find_app(app)).id
        prepared = _checked(session, app_id, entries, hash_kind)
        return await session.imports.run(session.actor, app_id, prepared)

    imported = with_session(config, check_and_import)
    if as_json:
        tell_json([key_view(record, time.time()) for record in imported.records])
    else:
        tell(f"{len(imported.records)} imported, {imported.already_there} were there already")
    note(
        "They are accepted where api_keys.accept_imported is true. Delete the file: whoever reads it may have the keys."
    )


def _checked(session: Session, app_id: str, entries: list[Entry], hash_kind: str) -> list[Prepared]:
    prepared, problems = session.imports.prepare(session.actor, app_id, entries, hash_kind)
    if len(problems) > MAX_PROBLEMS:
        more = len(problems) - MAX_PROBLEMS
        problems = [*problems[:MAX_PROBLEMS], Problem("", f"{more} more lines cannot be imported; nothing was")]
    if problems:
        raise ConfigError(problems)
    for kind in {each.proof.hash_kind for each in prepared}:
        library = _LIBRARIES.get(kind or "")
        if library is not None and find_spec(library) is None:
            raise CommandRefused(
                f"keys hashed with {kind} need a library here and where they are used: pip install {library}"
            )
    return prepared
