"""`gateway-auth tokens`: tokens of the issuers, taken back and looked at. It words and prints; `lifecycle` decides."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Annotated

import typer

from gateway_auth.cli.asking import read_token
from gateway_auth.cli.failures import CommandRefused
from gateway_auth.cli.options import AsJson, Config
from gateway_auth.cli.output import note, tell, tell_fields, tell_json, tell_table
from gateway_auth.cli.session import Session, with_session
from gateway_auth.lifecycle.views import revocation_view

if TYPE_CHECKING:
    from gateway_auth.core.token import Revocation
    from gateway_auth.lifecycle.inspect_token import TokenReport

tokens = typer.Typer(help="Bearer tokens of the configured issuers: take them back, look at one.", no_args_is_help=True)

_VERDICTS = {True: "it would be accepted", False: "it is refused", None: "whether it would be accepted is not known"}


@tokens.command()
def revoke(
    jti: Annotated[str | None, typer.Option("--jti", metavar="ID", help="The tokens with this `jti`.")] = None,
    subject: Annotated[
        str | None, typer.Option(metavar="SUB", help="All that was issued to this `sub` up to now.")
    ] = None,
    token_stdin: Annotated[bool, typer.Option("--token-stdin", help="The token on stdin.")] = False,
    issuer: Annotated[
        str | None, typer.Option(metavar="ISSUER", help="Only those of this issuer: its id, or its `iss`.")
    ] = None,
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """Take tokens back before they end. Every worker refuses them within two seconds."""
    if (jti is not None) + (subject is not None) + token_stdin != 1:
        raise CommandRefused("give exactly one of --jti, --subject and --token-stdin")
    if token_stdin and issuer is not None:
        raise CommandRefused("--issuer: one token needs none; leave it out")
    presented = read_token() if token_stdin else b""

    def take_back(session: Session) -> Awaitable[Revocation]:
        if jti is not None:
            return session.tokens.revoke_id(session.actor, jti, issuer)
        if subject is not None:
            return session.tokens.revoke_subject(session.actor, subject, issuer)
        return session.tokens.revoke_token(session.actor, presented)

    view = revocation_view(with_session(config, take_back))
    if as_json:
        tell_json(view)
        return
    tell(f"{view['id']} is recorded: {view['kind']} {view['value']}, until {view['expires_at']}")


@tokens.command()
def inspect(config: Config = "", as_json: AsJson = False) -> None:
    """Say what a token is. Reads it from stdin; exits 1 unless it is known that it would be accepted now."""
    presented = read_token()

    def look(session: Session) -> Awaitable[TokenReport]:
        from gateway_auth.lifecycle.tokens import check_token

        return session.inspector.inspect(check_token(presented, session.key_format), time.time())

    report = with_session(config, look)
    _tell_report(report, as_json)
    if not report.is_accepted:
        raise typer.Exit(1)


def _tell_report(report: TokenReport, as_json: bool) -> None:
    from gateway_auth.lifecycle.inspect_token import report_view

    view = report_view(report)
    if as_json:
        tell_json(view)
        return
    tell(_VERDICTS[report.is_accepted])
    tell()
    tell_table(("check", "result", "because"), [(step.check, step.result, step.because) for step in report.steps])
    if report.token is not None:
        tell()
        note("What it says of itself, proven only where the signature passes:")
        tell_fields({name: value for name, value in view.items() if name in ("issuer", "header", "claims")})
