"""Asking a person: before what cannot be undone, and for a secret. A script is never asked."""

from __future__ import annotations

import sys

import typer

from gateway_auth.cli.failures import CommandFailed, CommandRefused

MAX_KEY_BYTES = 4096


def confirm(question: str, *, yes: bool) -> None:
    """Return when it may be done. Raises CommandFailed when a person says no."""
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    if not typer.confirm(question, err=True):
        raise CommandFailed("nothing was changed")


def read_key() -> str:
    """The key on stdin; asked for, unseen, where a person sits there. Never from the command line, which others see."""
    if sys.stdin.isatty():
        from getpass import getpass

        return getpass("Key: ")
    piped = sys.stdin.buffer.read(MAX_KEY_BYTES + 1)
    if len(piped) > MAX_KEY_BYTES:
        raise CommandRefused("stdin holds more than one key; write exactly the key to it")
    if not piped.strip():
        raise CommandRefused("stdin is empty; write the key to it")
    return piped.decode("utf-8", "replace")
