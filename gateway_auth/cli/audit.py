"""`gateway-auth audit`: who did what, and whether the record of it is whole. It words and prints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gateway_auth.cli.audit_files import open_new, write_csv, write_json_array, write_json_lines
from gateway_auth.cli.failures import CommandFailed, CommandRefused
from gateway_auth.cli.options import AsJson, Config
from gateway_auth.cli.output import note, tell, tell_json, tell_list
from gateway_auth.cli.session import Session, with_session

if TYPE_CHECKING:
    from gateway_auth.lifecycle.verify_audit import Verdict
    from gateway_auth.lifecycle.views import View

audit = typer.Typer(help="The audit: who did what to which object, in a chain that shows edits.", no_args_is_help=True)

_COLUMNS = ("seq", "at", "actor", "action", "object_kind", "object_id", "outcome", "changed")
_HEAD = re.compile(r"[0-9]{1,18}:[0-9a-f]{64}", re.ASCII)

Since = Annotated[
    str | None, typer.Option(metavar="7d", help="From when on: how long ago, or a time, `2030-01-31T12:00:00Z`.")
]
ByActor = Annotated[str | None, typer.Option("--actor", metavar="cli:NAME", help="Of this actor alone.")]
OfObject = Annotated[str | None, typer.Option("--object", metavar="ID", help="Of this app, key or token alone.")]
OfAction = Annotated[str | None, typer.Option("--action", metavar="key.revoke", help="Of this action alone.")]


@audit.command("list")
def list_records(
    since: Since = None,
    actor: ByActor = None,
    obj: OfObject = None,
    action: OfAction = None,
    limit: Annotated[int, typer.Option(metavar="N", help="How many at most, up to 1000.")] = 100,
    before: Annotated[int | None, typer.Option(metavar="SEQ", help="Those older than this record.")] = None,
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """List records, the newest first."""
    from gateway_auth.lifecycle.audit import audit_view

    async def collect(session: Session) -> list[View]:
        chosen = session.audit.choose(since=since, actor=actor, action=action, obj=obj)
        return [audit_view(found) for found in await session.audit.newest(chosen, limit=limit, before=before)]

    views = with_session(config, collect)
    if not as_json:
        views = [{**view, "changed": _changed(view)} for view in views]
    tell_list(views, _COLUMNS, as_json, none="There are no such records.")


@audit.command()
def verify(
    anchor: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|HEAD",
            help="Heads noted before: a file of them, or one, `SEQ:HEX`. `audit.anchor_file` unless given.",
        ),
    ] = None,
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """Say whether all records are as they were written. Exits 1 with the first that is not."""
    from gateway_auth.lifecycle.verify_audit import Verified, verify_audit

    async def follow(session: Session) -> Verdict:
        return await verify_audit(session.registry, _anchors(anchor, session.anchor_file))

    verdict = with_session(config, follow)
    if isinstance(verdict, Verified):
        count, head = verdict.count, str(verdict.head)
        tell_json({"ok": True, "count": count, "head": head}) if as_json else tell(f"{count} records, head {head}")
        return
    if as_json:
        tell_json({"ok": False, "seq": verdict.seq, "problem": verdict.what})
    else:
        tell(f"record {verdict.seq} {verdict.what}")
    raise typer.Exit(1)


@audit.command()
def export(
    since: Since = None,
    actor: ByActor = None,
    obj: OfObject = None,
    action: OfAction = None,
    form: Annotated[Literal["jsonl", "csv"], typer.Option("--format", help="JSON Lines, or CSV.")] = "jsonl",
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="A new file, else stdout.")] = None,
    config: Config = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array instead, as `audit list` prints.")] = False,
) -> None:
    """Write all records, the oldest first, for another program."""
    if as_json and form == "csv":
        raise CommandRefused("--json and --format csv: do one of both")
    write = write_csv if form == "csv" else write_json_array if as_json else write_json_lines

    async def copy(session: Session) -> int:
        chosen = session.audit.choose(since=since, actor=actor, action=action, obj=obj)
        with open_new(output) as file:
            return await write(file, session.audit.iterate(chosen))

    count = with_session(config, copy)
    note(f"{count} records")


def _anchors(given: str | None, configured: str | None) -> dict[int, bytes]:
    from gateway_auth.adapters.anchor_file import read_anchors
    from gateway_auth.core.audit import parse_head

    if given is not None and _HEAD.fullmatch(given):
        head = parse_head(given)
        return {head.seq: head.hash}
    path = Path(given or configured or "")
    if given is None and (configured is None or not path.exists()):
        return {}
    if given is not None and not (given and path.exists()):
        raise CommandRefused(f"--anchor: {given} is neither a file nor a head, SEQ:HEX")
    try:
        return read_anchors(path)
    except ValueError as error:
        raise CommandFailed(f"{path}: {error}; compare it with a copy") from None


def _changed(view: View) -> list[str]:
    """Names of the fields that are not what they were."""
    before, after = view["before"], view["after"]
    if not isinstance(before, dict) or not isinstance(after, dict):
        return []
    return [name for name in after if before.get(name) != after[name]]
