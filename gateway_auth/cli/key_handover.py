"""`gateway-auth keys due --rotate-with`: rotation by a scheduler, with nobody watching. `lifecycle` decides."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import typer

from gateway_auth.cli.failures import CommandRefused
from gateway_auth.cli.output import complain, note, tell, tell_json
from gateway_auth.cli.session import Session, with_session
from gateway_auth.lifecycle.rotation import parse_overlap

if TYPE_CHECKING:
    from gateway_auth.lifecycle.handover import Handover


def hand_over(command: str, within: int, overlap: str, config: str, as_json: bool) -> None:
    """Rotate what is due, and tell what became of each. Exits 1 where a key could not be handed over."""
    words = _words(command)
    parse_overlap(overlap)

    async def rotate(session: Session) -> list[Handover]:
        from gateway_auth.cli.command_courier import CommandCourier
        from gateway_auth.lifecycle.handover import HandOver

        due = [key async for key in session.review.due(within)]
        handing = HandOver(session.keys, CommandCourier(words))
        found = []
        async for one in handing.rotate(session.actor, due, overlap=overlap):
            _tell_progress(one)
            found.append(one)
        return found

    found = with_session(config, rotate)
    if as_json:
        tell_json([_view(one) for one in found])
    elif not found:
        note("No key has to be rotated.")
    else:
        for one in found:
            if one.new is not None:
                tell(f"{one.old.id} is replaced by {one.new.id}")
    if any(one.failure for one in found):
        raise typer.Exit(1)


def _tell_progress(one: Handover) -> None:
    if one.failure is not None:
        complain(f"key {one.old.id} stays as it was: {one.failure}")


def _view(one: Handover) -> dict[str, object]:
    return {"id": one.old.id, "replaced_by": one.new.id if one.new is not None else None, "failure": one.failure}


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise CommandRefused(f"--rotate-with: {error}") from None
    if not words:
        raise CommandRefused("--rotate-with needs a command")
    return words
