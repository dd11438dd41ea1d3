"""`gateway-auth apps`: the applications that own keys. It words and prints; `lifecycle` decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from gateway_auth.cli.asking import confirm
from gateway_auth.cli.options import AppArgument, AsJson, Config, Yes
from gateway_auth.cli.output import note, tell, tell_fields, tell_json, tell_list
from gateway_auth.cli.session import Session, with_session
from gateway_auth.lifecycle.views import View, app_view

if TYPE_CHECKING:
    from gateway_auth.core.keys import AppRecord

apps = typer.Typer(help="Apps: who owns keys, and on which plan.", no_args_is_help=True)

_COLUMNS = ("id", "name", "owner", "project", "plan", "status", "created_at")


@apps.command()
def create(
    name: Annotated[str, typer.Argument(help="A name for people; it need not be unique.")],
    owner: Annotated[str, typer.Option(help="Who answers for it: what upstreams see as the subject.")] = "",
    project: Annotated[str, typer.Option(help="A group of apps.")] = "",
    plan: Annotated[
        str | None, typer.Option(help="A plan of the configuration, whose limits all its keys share.")
    ] = None,
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """Create an app. Prints its id."""
    from gateway_auth.lifecycle.apps import AppFields

    fields = AppFields(name=name, owner=owner, project=project, plan=plan)
    app = with_session(config, lambda session: session.apps.create(session.actor, fields))
    if as_json:
        tell_json(app_view(app))
        return
    tell(app.id)
    note(f"Created. A key for it: gateway-auth keys create --app {app.id}")


@apps.command("list")
def list_apps(config: Config = "", as_json: AsJson = False) -> None:
    """List all apps."""

    async def collect(session: Session) -> list[View]:
        return [app_view(app) async for app in session.apps.iterate()]

    views = with_session(config, collect)
    tell_list(views, _COLUMNS, as_json, none="There are no apps yet: gateway-auth apps create NAME")


@apps.command()
def show(app: AppArgument, config: Config = "", as_json: AsJson = False) -> None:
    """Show one app."""
    view = app_view(with_session(config, lambda session: session.find_app(app)))
    tell_json(view) if as_json else tell_fields(view)


@apps.command()
def disable(app: AppArgument, config: Config = "", as_json: AsJson = False) -> None:
    """Stop all keys of an app until it is enabled again."""
    _change(config, app, lambda session, app_id: session.apps.disable(session.actor, app_id), "disabled", as_json)


@apps.command()
def enable(app: AppArgument, config: Config = "", as_json: AsJson = False) -> None:
    """Let the keys of an app work again, each as its own status says."""
    _change(config, app, lambda session, app_id: session.apps.enable(session.actor, app_id), "enabled", as_json)


@apps.command()
def delete(app: AppArgument, yes: Yes = False, config: Config = "", as_json: AsJson = False) -> None:
    """Delete an app and all its keys for good."""
    confirm(f"Delete app {app} and all its keys for good?", yes=yes)
    _change(config, app, lambda session, app_id: session.apps.delete(session.actor, app_id), "deleted", as_json)


def _change(
    config: str,
    named: str,
    change: Callable[[Session, str], Awaitable[AppRecord]],
    done: str,
    as_json: bool,
) -> None:
    async def find_and_change(session: Session) -> AppRecord:
        return await change(session, (await session.find_app(named)).id)

    app = with_session(config, find_and_change)
    tell_json(app_view(app)) if as_json else tell(f"{app.id} ({app.name}) is {done}")
