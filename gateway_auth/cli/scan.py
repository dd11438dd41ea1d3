"""`gateway-auth scan`: finds our secrets where they should not be. It words and prints, and never prints one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway_auth.cli.failures import FAILED, UNUSABLE, CommandRefused
from gateway_auth.cli.options import DEFAULT_CONFIG, AsJson, Config

if TYPE_CHECKING:
    from gateway_auth.core.leaks import LeakFinder
    from gateway_auth.scan.findings import Event

STDIN = "-"

Paths = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PATH",
        help="Files and directories; `-` is stdin. Where git is asked: its repository, `.` unless given.",
    ),
]
Prefixes = Annotated[
    list[str] | None,
    typer.Option(
        "--prefix", metavar="PREFIX", help="Another prefix of keys, besides `gwk` and the configured one. Repeatable."
    ),
]
Staged = Annotated[bool, typer.Option("--staged", help="What the next commit would take in, as it is in the index.")]
History = Annotated[
    bool, typer.Option("--git-history", help="Every version of every file and every message git still has.")
]
NoIgnore = Annotated[bool, typer.Option("--no-ignore", help="Also what git ignores, and `.git` itself.")]
NoAllow = Annotated[
    bool, typer.Option("--no-allow", help="Also what a `gateway-auth:allow` on its line says may stand there.")
]
Verify = Annotated[bool, typer.Option("--verify", help="Say what the store knows of each key, those that work first.")]


def scan(
    paths: Paths = None,
    prefixes: Prefixes = None,
    staged: Staged = False,
    git_history: History = False,
    no_ignore: NoIgnore = False,
    no_allow: NoAllow = False,
    verify: Verify = False,
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """Find API keys and admin tokens in files. Exits 1 when there are any, 2 when something could not be looked at."""
    from gateway_auth.cli.scan_report import Report

    if staged and git_history:
        raise CommandRefused("give one of --staged and --git-history")
    finder = _finder(prefixes or [], config)
    if staged or git_history:
        events = _repository(paths or ["."], finder, is_staged=staged)
    else:
        events = _paths(paths or [], finder, is_git_asked=not no_ignore)
    report = Report(finder, as_json=as_json, is_all_told=no_allow)
    if verify:
        from gateway_auth.cli.scan_verify import verified

        events = verified(config, events)
    report.tell(events)
    if report.found:
        raise typer.Exit(FAILED)
    if report.is_incomplete:
        raise typer.Exit(UNUSABLE)


def _repository(paths: list[str], finder: LeakFinder, *, is_staged: bool) -> Iterator[Event]:
    from gateway_auth.scan.repository import look_at_history, look_at_staged

    if len(paths) > 1:
        raise CommandRefused("give one repository; its files are found by git")
    return (look_at_staged if is_staged else look_at_history)(paths[0], finder)


def _paths(paths: Iterable[str], finder: LeakFinder, *, is_git_asked: bool) -> Iterator[Event]:
    named = list(paths)
    if not named:
        raise CommandRefused("give a PATH to look at, `-` for stdin, or --staged; see `gateway-auth scan --help`")
    return _look_at_paths(named, finder, is_git_asked=is_git_asked)


def _look_at_paths(paths: Iterable[str], finder: LeakFinder, *, is_git_asked: bool) -> Iterator[Event]:
    from gateway_auth.scan.findings import Unseen
    from gateway_auth.scan.looking import look_at_file, look_at_named, look_at_stream
    from gateway_auth.scan.places import files_below

    for path in paths:
        if path == STDIN:
            yield from look_at_stream(sys.stdin.buffer, finder, STDIN)
        elif not os.path.isdir(path):  # of Path(""), that would be true
            yield from look_at_named(path, finder)
        else:
            for file in files_below(path, is_git_asked=is_git_asked):
                if isinstance(file, Unseen):
                    yield file
                else:
                    yield from look_at_file(file, finder)


def _finder(prefixes: list[str], config: str) -> LeakFinder:
    from gateway_auth.core.keyformat import DEFAULT_PREFIX, KeyFormat
    from gateway_auth.core.leaks import ADMIN_TOKEN, LeakFinder, key_form

    for prefix in prefixes:
        try:
            KeyFormat(prefix)
        except ValueError as error:
            raise CommandRefused(f"--prefix: {error}") from error
    return LeakFinder([*(key_form(each) for each in (DEFAULT_PREFIX, *_configured(config), *prefixes)), ADMIN_TOKEN])


def _configured(config: str) -> list[str]:
    """The prefix of the configuration, if there is one. No secret of it is needed, so it works in any checkout."""
    if config == DEFAULT_CONFIG and not Path(config).exists():
        return []
    from gateway_auth.config.prefix import read_prefix

    return [read_prefix(config)]
