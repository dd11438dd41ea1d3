"""`gateway-auth admins`: who may use the admin plane. It words and prints; `lifecycle` decides."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from gateway_auth.cli.options import AsJson, Config
from gateway_auth.cli.output import tell, tell_fields, tell_json, tell_list, tell_once
from gateway_auth.cli.session import Session, with_session
from gateway_auth.lifecycle.views import View, admin_view

if TYPE_CHECKING:
    from gateway_auth.core.admins import AdminRecord
    from gateway_auth.lifecycle.admins import IssuedToken

admins = typer.Typer(help="Admins: who may use the admin plane, and as what.", no_args_is_help=True)

_COLUMNS = ("id", "name", "role", "status", "may_grant_scopes", "may_grant_roles", "created_at")

MayGrantScopes = Annotated[
    list[str] | None,
    typer.Option(
        "--may-grant-scope",
        metavar="SCOPE",
        help="What keys it makes may do at most; may be repeated. Without any: everything, a developer's nothing.",
    ),
]
MayGrantRoles = Annotated[
    list[str] | None,
    typer.Option("--may-grant-role", metavar="ROLE", help="Which roles they may have; may be repeated."),
]
Named = Annotated[str, typer.Argument(metavar="NAME", help="The admin's name or id.")]


@admins.command()
def create(
    name: Annotated[
        str, typer.Argument(help="Its name, never used again. To a developer belong all apps with this owner.")
    ],
    role: Annotated[
        str,
        typer.Option(
            metavar="admin|operator|auditor|developer",
            help="All; apps and keys; reading only; apps of its own and their keys.",
        ),
    ],
    may_grant_scopes: MayGrantScopes = None,
    may_grant_roles: MayGrantRoles = None,
    config: Config = "",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Create an admin. Prints its token once; it cannot be shown again."""
    issued = with_session(
        config,
        lambda session: session.admins.create(
            session.actor, name, role, may_grant_scopes or None, may_grant_roles or None
        ),
    )
    _tell_issued(issued, as_json)


@admins.command()
def update(
    admin: Named,
    role: Annotated[
        str | None, typer.Option(metavar="admin|operator|auditor|developer", help="What it may do from now on.")
    ] = None,
    may_grant_scopes: MayGrantScopes = None,
    may_grant_roles: MayGrantRoles = None,
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """Change an admin's role, or what keys it makes may do. Bounds that are given replace those there were."""
    _change(
        config,
        lambda session: session.admins.update(
            session.actor, admin, role, may_grant_scopes or None, may_grant_roles or None
        ),
        "updated",
        as_json,
    )


@admins.command("list")
def list_admins(config: Config = "", as_json: AsJson = False) -> None:
    """List all admins."""

    async def collect(session: Session) -> list[View]:
        return [admin_view(admin) async for admin in session.admins.iterate()]

    views = with_session(config, collect)
    tell_list(views, _COLUMNS, as_json, none="There are no admins yet: gateway-auth admins create NAME --role admin")


@admins.command()
def disable(admin: Named, config: Config = "", as_json: AsJson = False) -> None:
    """Refuse an admin's token from the next request on."""
    _change(config, lambda session: session.admins.disable(session.actor, admin), "disabled", as_json)


@admins.command()
def enable(admin: Named, config: Config = "", as_json: AsJson = False) -> None:
    """Accept a disabled admin's token again."""
    _change(config, lambda session: session.admins.enable(session.actor, admin), "enabled", as_json)


@admins.command()
def rotate(admin: Named, config: Config = "", as_json: AsJson = False) -> None:
    """Give an admin a new token. Prints it once; the old one is refused at once."""
    _tell_issued(with_session(config, lambda session: session.admins.rotate(session.actor, admin)), as_json)


def _tell_issued(issued: IssuedToken, as_json: bool) -> None:
    view = admin_view(issued.record)
    undo = f"gateway-auth admins rotate {issued.record.id}"
    tell_once(issued.text, {"token": issued.text, **view}, as_json, undo=undo)
    if not as_json:
        tell_fields(view, sys.stderr)


def _change(config: str, change: Callable[[Session], Awaitable[AdminRecord]], done: str, as_json: bool) -> None:
    admin = with_session(config, change)
    tell_json(admin_view(admin)) if as_json else tell(f"{admin.id} ({admin.name}) is {done}")
