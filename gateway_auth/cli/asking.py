"""Asking a person: before what cannot be undone, and for a secret. A script is never asked."""

from __future__ import annotations

import sys

import typer

from gateway_auth.cli.failures import CommandFailed, CommandRefused

MAX_KEY_BYTES = 4096
MAX_TOKEN_BYTES = 16384
"""Twice what any token may have: which are too long is not said here."""


def confirm(question: str, *, yes: bool) -> None:
    """Return when it may be done. Raises CommandFailed when a person says no."""
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    if not typer.confirm(question, err=True):
        raise CommandFailed("nothing was changed")


def read_key() -> str:
    """The key on stdin; asked for, unseen, where a person sits there. Never from the command line, which others see."""
    return _read_secret("key", MAX_KEY_BYTES).decode("utf-8", "replace")


def read_token() -> bytes:
    """The token on stdin, likewise."""
    return _read_secret("token", MAX_TOKEN_BYTES)


def _read_secret(what: str, max_bytes: int) -> bytes:
    if sys.stdin.isatty():
        from getpass import getpass

        return getpass(f"{what.capitalize()}: ").encode("utf-8", "surrogateescape")
    piped = sys.stdin.buffer.read(max_bytes + 1)
    if len(piped) > max_bytes:
        raise CommandRefused(f"stdin holds more than one {what}; write exactly the {what} to it")
    if not piped.strip():
        raise CommandRefused(f"stdin is empty; write the {what} to it")
    return piped
