"""`gateway-auth keys`: API keys, from creation to deletion. It words and prints; `lifecycle` decides."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from gateway_auth.cli import key_options as option
from gateway_auth.cli.options import AsJson, Config, KeyIdArgument
from gateway_auth.cli.output import tell, tell_fields, tell_json, tell_list, tell_once
from gateway_auth.cli.session import Session, with_session
from gateway_auth.lifecycle.views import View, created_view, key_view

if TYPE_CHECKING:
    from gateway_auth.lifecycle.create_key import CreatedKey

keys = typer.Typer(help="API keys: what they may do, from where, until when.", no_args_is_help=True)

_COLUMNS = ("id", "app_id", "name", "environment", "status", "scopes", "roles", "expires_at")


@keys.command()
def create(  # noqa: PLR0913 - one parameter for each option
    app: Annotated[str, typer.Option(metavar="APP", help="The app it belongs to: its id, or its name.")],
    name: option.Name = None,
    env: Annotated[str, typer.Option(metavar="live|test", help="Its environment, which stands in the key.")] = "live",
    scopes: option.Scopes = None,
    roles: option.Roles = None,
    expires_in: option.ExpiresIn = None,
    expires_at: option.ExpiresAt = None,
    not_before: option.NotBefore = None,
    allow_networks: option.AllowNetworks = None,
    deny_networks: option.DenyNetworks = None,
    allow_referrers: option.AllowReferrers = None,
    allow_android: option.AllowAndroid = None,
    allow_ios: option.AllowIos = None,
    allow_requests: option.AllowRequests = None,
    metadata: option.Metadata = None,
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """Create a key. Prints it once; it cannot be shown again."""
    fields = option.fields_from({
        "name": name, "scopes": scopes, "roles": roles,
        "expires_in": expires_in, "expires_at": expires_at, "not_before": not_before,
        "allow_networks": allow_networks, "deny_networks": deny_networks, "allow_referrers": allow_referrers,
        "allow_android": allow_android, "allow_ios": allow_ios, "allow_requests": allow_requests,
        "metadata": metadata,
    })  # fmt: skip

    async def create_for_app(session: Session) -> CreatedKey:
        return await session.keys.create(session.actor, (await session.find_app(app)).id, env, fields)

    tell_created(with_session(config, create_for_app), as_json)


def tell_created(created: CreatedKey, as_json: bool) -> None:
    """Print a new key, this once."""
    old = created.record.rotated_from
    undo = f"gateway-auth keys revoke {created.record.id}{f' && gateway-auth keys enable {old}' if old else ''}"
    tell_once(created.text, created_view(created), as_json, undo=undo)
    if not as_json:
        tell_fields(key_view(created.record, time.time()), sys.stderr)


@keys.command("list")
def list_keys(
    app: Annotated[str | None, typer.Option(metavar="APP", help="Only those of this app: its id, or its name.")] = None,
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """List keys."""

    async def collect(session: Session) -> list[View]:
        app_id = None if app is None else (await session.find_app(app)).id
        return [key_view(key, time.time()) async for key in session.keys.iterate(app_id)]

    views = with_session(config, collect)
    tell_list(views, _COLUMNS, as_json, none="There are no keys: gateway-auth keys create --app APP --scope SCOPE")


@keys.command()
def show(key_id: KeyIdArgument, config: Config = "", as_json: AsJson = False) -> None:
    """Show one key. Its secret exists nowhere any more."""
    view = key_view(with_session(config, lambda session: session.keys.get(key_id)), time.time())
    tell_json(view) if as_json else tell_fields(view)


@keys.command()
def update(  # noqa: PLR0913 - one parameter for each option
    key_id: KeyIdArgument,
    name: option.Name = None,
    scopes: option.Scopes = None,
    roles: option.Roles = None,
    expires_in: option.ExpiresIn = None,
    expires_at: option.ExpiresAt = None,
    not_before: option.NotBefore = None,
    allow_networks: option.AllowNetworks = None,
    deny_networks: option.DenyNetworks = None,
    allow_referrers: option.AllowReferrers = None,
    allow_android: option.AllowAndroid = None,
    allow_ios: option.AllowIos = None,
    allow_requests: option.AllowRequests = None,
    metadata: option.Metadata = None,
    clear: option.Clear = None,
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """Change what a key may do. A list that is given replaces the one there was."""
    given = {
        "name": name, "scopes": scopes, "roles": roles,
        "expires_in": expires_in, "expires_at": expires_at, "not_before": not_before,
        "allow_networks": allow_networks, "deny_networks": deny_networks, "allow_referrers": allow_referrers,
        "allow_android": allow_android, "allow_ios": allow_ios, "allow_requests": allow_requests,
        "metadata": metadata,
    }  # fmt: skip
    fields = option.fields_from(given, clear)
    key = with_session(config, lambda session: session.keys.update(session.actor, key_id, fields))
    tell_json(key_view(key, time.time())) if as_json else tell(f"{key.id} is updated")
