"""What went wrong, as the lines an operator reads and the exit code a script reads. It prints nothing.

1: it was tried and failed. 2: the command line or the configuration cannot be used, nothing was tried.
"""

from __future__ import annotations

from msgspec import Struct
from typer import Abort, TyperException

from gateway_auth.cli import INTERRUPTED
from gateway_auth.cli.streams import BROKEN_OUTPUT
from gateway_auth.errors import ConfigError, GatewayAuthError, InvalidInput

FAILED = 1
UNUSABLE = 2

_OPTIONS = {
    "scopes": "--scope",
    "roles": "--role",
    "environment": "--env",
    "allow_networks": "--allow-network",
    "deny_networks": "--deny-network",
    "allow_referrers": "--allow-referrer",
    "allow_requests": "--allow-request",
    "token": "stdin",
    "may_grant_scopes": "--may-grant-scope",
    "may_grant_roles": "--may-grant-role",
}
_ARGUMENTS = frozenset(("name", "scope"))


class CommandFailed(GatewayAuthError):
    """A command cannot do what it was asked; the text is one line that says what to do."""


class CommandRefused(CommandFailed):
    """A command was asked for something that cannot be; nothing was tried."""


class Failure(Struct, frozen=True):
    """How a command ended. `is_expected` is false for a bug, of which a traceback says more than any line."""

    lines: tuple[str, ...]
    exit_code: int = FAILED
    is_expected: bool = True


def explain(error: Exception) -> Failure:
    """The failure `error` means."""
    match error:
        case ConfigError(problems=problems):
            return Failure(tuple(str(problem) for problem in problems), UNUSABLE)
        case InvalidInput(field=field, message=message):
            return Failure((f"{_option(field)}: {message}",), UNUSABLE)
        case CommandRefused():
            return Failure((str(error),), UNUSABLE)
        case GatewayAuthError():
            return Failure((str(error),))
        case TyperException():
            # A group without a subcommand has printed its help; there is nothing to add.
            return Failure((_usage(error),) if error.format_message() else (), error.exit_code)
        case Abort():
            return Failure((), INTERRUPTED)
        case OSError(filename=None, errno=number, strerror=str(strerror)) if number in BROKEN_OUTPUT:
            return Failure((f"the output cannot be written: {strerror}; what there is of it is not whole",))
        case OSError(filename=str(filename), strerror=str(strerror)):
            return Failure((f"{filename}: {strerror}",))
        case _:
            hint = "run it again as `gateway-auth --debug …` for the traceback"
            return Failure((f"unexpected {type(error).__name__}: {error}; {hint}",), is_expected=False)


def _option(field: str) -> str:
    """The option or argument a field of an app or key is given by."""
    return field if field in _ARGUMENTS else _OPTIONS.get(field, f"--{field.replace('_', '-')}")


def _usage(error: TyperException) -> str:
    """The parser's message, and where help is."""
    context = getattr(error, "ctx", None)
    message = error.format_message().rstrip(".")
    return f"{message}; see `{context.command_path} --help`" if context is not None else message
