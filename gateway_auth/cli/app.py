"""The tree of commands. It only puts together; importing it loads no configuration, store or server."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway_auth import __version__
from gateway_auth.cli.admin import admin
from gateway_auth.cli.admins import admins
from gateway_auth.cli.apps import apps
from gateway_auth.cli.audit import audit
from gateway_auth.cli.config import configuration
from gateway_auth.cli.demo import demo
from gateway_auth.cli.doctor import doctor
from gateway_auth.cli.init import init
from gateway_auth.cli.keys_import import keys
from gateway_auth.cli.options import Config, Debug
from gateway_auth.cli.output import tell
from gateway_auth.cli.scan import scan
from gateway_auth.cli.serve import serve
from gateway_auth.cli.store import store
from gateway_auth.cli.tokens import tokens
from gateway_auth.cli.webhooks import webhooks

app = typer.Typer(
    name="gateway-auth",
    help="Software in front of APIs that answers: who is this, may they, from here, this often?",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    pretty_exceptions_enable=False,
)


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        tell(f"gateway-auth {__version__}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", help="Print the version.", callback=_tell_version, is_eager=True)]


@app.callback()
def everywhere(config: Config = "", debug: Debug = False, version: Version = False) -> None:
    """Options before the subcommand."""


@apps.callback()
@keys.callback()
@tokens.callback()
@webhooks.callback()
@audit.callback()
@admins.callback()
@configuration.callback()
@store.callback()
def in_group(config: Config = "") -> None:
    """Options between a group and its subcommand."""


# In the order one meets them.
for command in (init, demo, serve, admin, doctor):
    app.command()(command)
app.add_typer(apps, name="apps")
app.add_typer(keys, name="keys")
app.add_typer(tokens, name="tokens")
app.add_typer(webhooks, name="webhooks")
app.add_typer(audit, name="audit")
app.add_typer(admins, name="admins")
app.add_typer(configuration, name="config")
app.add_typer(store, name="store")
app.command()(scan)
