"""`gateway-auth keys`, its second half: the states of a key, and what a presented one is. `lifecycle` decides."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from gateway_auth.cli.asking import confirm, read_key
from gateway_auth.cli.keys import keys
from gateway_auth.cli.options import AsJson, Config, KeyIdArgument, Yes
from gateway_auth.cli.output import tell, tell_fields, tell_json
from gateway_auth.cli.session import Session, with_session
from gateway_auth.lifecycle.views import View, key_view

if TYPE_CHECKING:
    from gateway_auth.core.keys import KeyRecord

__all__ = ["keys"]


@keys.command()
def disable(key_id: KeyIdArgument, config: Config = "", as_json: AsJson = False) -> None:
    """Stop a key until it is enabled again."""
    _change(config, lambda session: session.keys.disable(session.actor, key_id), "disabled", as_json)


@keys.command()
def enable(key_id: KeyIdArgument, config: Config = "", as_json: AsJson = False) -> None:
    """Let a disabled key work again."""
    _change(config, lambda session: session.keys.enable(session.actor, key_id), "enabled", as_json)


@keys.command()
def revoke(key_id: KeyIdArgument, yes: Yes = False, config: Config = "", as_json: AsJson = False) -> None:
    """Stop a key for good; it stays listed."""
    confirm(f"Revoke key {key_id} for good?", yes=yes)
    _change(config, lambda session: session.keys.revoke(session.actor, key_id), "revoked", as_json)


@keys.command()
def delete(
    key_id: KeyIdArgument,
    force: Annotated[bool, typer.Option("--force", help="Also when it was used within the last day.")] = False,
    yes: Yes = False,
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """Delete a key for good; the audit keeps its tombstone."""
    confirm(f"Delete key {key_id} for good?", yes=yes)
    _change(config, lambda session: session.keys.delete(session.actor, key_id, force=force), "deleted", as_json)


@keys.command()
def grant(
    key_id: KeyIdArgument,
    scope: Annotated[str, typer.Argument(help="The scope to add for a time.")],
    expires_in: Annotated[str, typer.Option(metavar="1h", help="For how long: `1h`, `30m`, `7d`.")],
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """Give a key one more scope, for a time."""
    what = f"granted {scope} for {expires_in}"
    _change(config, lambda session: session.keys.grant(session.actor, key_id, scope, expires_in), what, as_json)


@keys.command()
def verify(config: Config = "", as_json: AsJson = False) -> None:
    """Say what a key is. Reads it from stdin; exits 1 unless it would be accepted now."""
    presented = read_key()

    async def check(session: Session) -> View:
        from gateway_auth.lifecycle.verify_key import check_view

        return check_view(await session.keys.verify(presented), time.time())

    view = with_session(config, check)
    tell_json(view) if as_json else tell_fields(view)
    if not view["usable"]:
        raise typer.Exit(1)


def _change(config: str, change: Callable[[Session], Awaitable[KeyRecord]], done: str, as_json: bool) -> None:
    key = with_session(config, change)
    tell_json(key_view(key, time.time())) if as_json else tell(f"{key.id} is {done}")
