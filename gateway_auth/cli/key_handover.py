"""Rotation with nobody watching: `keys due --rotate` and `--rotate-with`, `keys rotate --hand-over`."""

from __future__ import annotations

import shlex
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

import typer

from gateway_auth.cli.failures import CommandFailed, CommandRefused
from gateway_auth.cli.output import complain, note, tell, tell_json
from gateway_auth.cli.session import Session, with_session
from gateway_auth.errors import HandoverFailed
from gateway_auth.lifecycle.rotation import parse_overlap

if TYPE_CHECKING:
    from gateway_auth.lifecycle.handover import Courier, Handover
    from gateway_auth.lifecycle.key_fields import KeyFields
    from gateway_auth.lifecycle.rotation import RotatedKey

CourierOf = Callable[[Session], "AbstractAsyncContextManager[Courier]"]


def hand_over_due(courier_of: CourierOf, within: int, overlap: str, config: str, as_json: bool) -> None:
    """Rotate what is due, and tell what became of each. Exits 1 where a key could not be handed over."""
    parse_overlap(overlap)

    async def rotate(session: Session) -> list[Handover]:
        from gateway_auth.lifecycle.handover import HandOver

        found = []
        async with courier_of(session) as courier:
            due = [key async for key in session.review.due(within)]
            async for one in HandOver(session.keys, courier).rotate_all(session.actor, due, overlap=overlap):
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


def hand_over(key_id: str, overlap: str, fields: KeyFields, config: str, as_json: bool) -> None:
    """Rotate one key. Its successor goes to the webhook of `[handover]` and is not printed."""

    async def rotate(session: Session) -> RotatedKey:
        from gateway_auth.lifecycle.handover import HandOver

        async with to_webhook(session) as courier:
            handing = HandOver(session.keys, courier)
            try:
                return await handing.rotate(session.actor, key_id, overlap=overlap, fields=fields)
            except HandoverFailed as error:
                raise CommandFailed(_stays(key_id, str(error))) from None

    rotated = with_session(config, rotate)
    if as_json:
        from gateway_auth.lifecycle.views import key_view

        tell_json(key_view(rotated.created.record, time.time()))
    else:
        tell(f"{rotated.retiring.id} is replaced by {rotated.created.record.id}")


@asynccontextmanager
async def to_webhook(session: Session) -> AsyncIterator[Courier]:
    """The receiver that `[handover]` names."""
    from gateway_auth.adapters.system import SystemClock
    from gateway_auth.bootstrap.handover import webhook_courier

    if session.handover is None:
        raise CommandRefused("[handover] is not in the configuration; say there which https address takes new keys")
    async with webhook_courier(session.handover, SystemClock()) as courier:
        yield courier


def to_command(command: str) -> CourierOf:
    """A command of the operator's."""
    words = _words(command)

    @asynccontextmanager
    async def courier_of(_session: Session) -> AsyncIterator[Courier]:
        from gateway_auth.cli.command_courier import CommandCourier

        yield CommandCourier(words)

    return courier_of


def _tell_progress(one: Handover) -> None:
    if one.failure is not None:
        complain(_stays(one.old.id, one.failure))


def _stays(key_id: str, why: str) -> str:
    return f"key {key_id} stays as it was: {why}"


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
