"""Options that many commands share, and what is known of the command line as a whole."""

from __future__ import annotations

from typing import Annotated

import typer

DEFAULT_CONFIG = "gateway.toml"


class Invocation:
    """One command line. An option may stand before the subcommand or after it; the last one counts."""

    def __init__(self) -> None:
        self.config = DEFAULT_CONFIG
        self.is_debug = False


def _settle_config(context: typer.Context, value: str) -> str:
    invocation = context.find_object(Invocation) or Invocation()
    if value:
        invocation.config = value
    return invocation.config


def _settle_debug(context: typer.Context, value: bool) -> bool:
    invocation = context.find_object(Invocation)
    if invocation is not None and value:
        invocation.is_debug = True
    return value


Config = Annotated[
    str,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration, `gateway.toml` unless given.",
        show_default=False,
        callback=_settle_config,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks of unexpected errors.", callback=_settle_debug)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
AppArgument = Annotated[str, typer.Argument(metavar="APP", help="Id of the app, or its name where only one has it.")]
KeyIdArgument = Annotated[str, typer.Argument(metavar="KEY_ID", help="Id of the key: its third part.")]
