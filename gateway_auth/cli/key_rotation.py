"""`gateway-auth keys`, its third part: rotation, and which keys deserve a look. `lifecycle` decides."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from gateway_auth.cli import key_options as option
from gateway_auth.cli.asking import confirm
from gateway_auth.cli.failures import CommandRefused
from gateway_auth.cli.key_handover import hand_over, hand_over_due, to_command, to_webhook
from gateway_auth.cli.key_states import keys
from gateway_auth.cli.keys import tell_created
from gateway_auth.cli.options import AsJson, Config, KeyIdArgument, Yes
from gateway_auth.cli.output import note, tell_list
from gateway_auth.cli.session import Session, with_session
from gateway_auth.lifecycle.anomalies import anomaly_view
from gateway_auth.lifecycle.input import format_time
from gateway_auth.lifecycle.review import DEFAULT_NOTICE_DAYS
from gateway_auth.lifecycle.rotation import DEFAULT_OVERLAP
from gateway_auth.lifecycle.usage import DEFAULT_SINCE, usage_view
from gateway_auth.lifecycle.views import View, key_view

if TYPE_CHECKING:
    from gateway_auth.core.keys import KeyRecord
    from gateway_auth.lifecycle.rotation import RotatedKey

__all__ = ["keys"]

_USAGE_COLUMNS = ("at", "route", "status", "count")
_ANOMALY_COLUMNS = ("key_id", "kind", "since", "reason")
_COLUMNS = ("id", "app_id", "name", "created_at", "expires_at", "last_used_at", "last_used_address")


@keys.command()
def rotate(
    key_id: KeyIdArgument,
    overlap: Annotated[
        str, typer.Option(metavar="7d", help="How long the old key goes on working; `0` stops it at once.")
    ] = DEFAULT_OVERLAP,
    expires_in: option.ExpiresIn = None,
    handing_over: Annotated[
        bool,
        typer.Option("--hand-over", help="Send the new key to `handover.url` instead of printing it."),
    ] = False,
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """Make a second key with the same rights. Prints it once; the old one works until the overlap ends."""
    fields = option.fields_from({"expires_in": expires_in})
    if handing_over:
        hand_over(key_id, overlap, fields, config, as_json)
        return
    rotated = with_session(
        config, lambda session: session.keys.rotate(session.actor, key_id, overlap=overlap, fields=fields)
    )
    tell_created(rotated.created, as_json)
    if not as_json:
        _note_next_steps(rotated)


def _note_next_steps(rotated: RotatedKey) -> None:
    old, new = rotated.retiring, rotated.created.record
    note(f"Next: give the new key to everything that uses {old.id}.")
    if old.last_used_at is None:
        note(f"{old.id} has not been used yet.")
    else:
        note(f"{old.id} was last used {format_time(old.last_used_at)} from {old.last_used_address}.")
    ends = format_time(old.retires_at or 0)
    note(f"It stops by itself at {ends}. To keep it: gateway-auth keys enable {old.id}")
    note(f"To see whether all have moved: gateway-auth keys usage {old.id}, and {new.id}")


@keys.command()
def unused(
    days: Annotated[
        int | None, typer.Option(metavar="N", help="For how long; api_keys.unused_after_days unless given.")
    ] = None,
    disable: Annotated[
        bool, typer.Option("--disable", help="Disable them all. `keys enable` brings one back.")
    ] = False,
    yes: Yes = False,
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """List active keys that nobody has used for long."""

    if disable:
        confirm("Disable every key that was not used for so long?", yes=yes)

    async def find(session: Session) -> list[KeyRecord]:
        found = [key async for key in session.review.unused(days)]
        return [await session.keys.disable(session.actor, key.id) for key in found] if disable else found

    _tell_keys(with_session(config, find), "Every active key was used.", as_json)


@keys.command()
def due(
    within: Annotated[
        int, typer.Option(metavar="DAYS", help="Also those that expire within so many days.")
    ] = DEFAULT_NOTICE_DAYS,
    rotate_with: Annotated[
        str | None,
        typer.Option(
            "--rotate-with",
            metavar="COMMAND",
            help="Rotate them all: COMMAND gets each new key as JSON on stdin, and has taken it when it exits with 0.",
        ),
    ] = None,
    rotating: Annotated[
        bool,
        typer.Option("--rotate", help="Rotate them all: `handover.url` gets each new key and confirms it."),
    ] = False,
    overlap: Annotated[
        str, typer.Option(metavar="7d", help="With --rotate or --rotate-with: how long the old keys go on working.")
    ] = DEFAULT_OVERLAP,
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """List keys that should be rotated: older than api_keys.rotate_after_days, or about to expire."""
    if rotating and rotate_with is not None:
        raise CommandRefused("--rotate sends new keys to a webhook, --rotate-with to a command; do one of both")
    if rotating or rotate_with is not None:
        hand_over_due(to_webhook if rotate_with is None else to_command(rotate_with), within, overlap, config, as_json)
        return

    async def find(session: Session) -> list[KeyRecord]:
        return [key async for key in session.review.due(within)]

    _tell_keys(with_session(config, find), "No key has to be rotated.", as_json)


@keys.command()
def usage(
    key_id: KeyIdArgument,
    since: Annotated[str, typer.Option(metavar="24h", help="How far back: `24h`, `7d`.")] = DEFAULT_SINCE,
    by: Annotated[str, typer.Option(metavar="minute|hour|day|all", help="What is summed up.")] = "hour",
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """Show how much a key was used: by route and kind of answer."""

    async def ask(session: Session) -> list[View]:
        key = await session.keys.get(key_id)
        return [usage_view(row) for row in await session.usage.report(key_id=key.id, since=since, by=by)]

    views = with_session(config, ask)
    tell_list(views, _USAGE_COLUMNS, as_json, none=f"{key_id} was not used in that time.")


@keys.command()
def review(config: Config = "", as_json: AsJson = False) -> None:
    """List keys that behave unlike themselves: a network never seen before, a burst of refusals, far more requests."""

    async def find(session: Session) -> list[View]:
        return [anomaly_view(anomaly) async for anomaly in session.activity.anomalies()]

    tell_list(with_session(config, find), _ANOMALY_COLUMNS, as_json, none="Every key is used as it was before.")


def _tell_keys(found: list[KeyRecord], none: str, as_json: bool) -> None:
    views = [key_view(key, time.time()) for key in found]
    tell_list(views, _COLUMNS, as_json, none=none)
