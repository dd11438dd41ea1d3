"""Writes the pages of docs/ that are made from the program; with --check, says which of them are not up to date."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from typer.main import get_command

from gateway_auth.cli.app import app
from gateway_auth.config.document import render_reference
from gateway_auth.core.decision import REASONS
from gateway_auth.core.outcome import PROBLEM_TYPE

DOCS = Path(__file__).resolve().parents[1] / "docs"

CLI_INTRODUCTION = """\
# Command line

<!-- Made by `make docs` from gateway_auth/cli. Change it there. -->

`-c FILE` names the configuration, before or after the subcommand; without it that is `gateway.toml` in the current
directory. `--json` prints JSON, of a stable shape: an object for one thing, an array for a list.

The result goes to stdout, everything else to stderr. `keys create` prints the key on stdout, once and never again,
so `KEY=$(gateway-auth keys create --app shop)` works. A key is never an argument, where other users of the
machine could read it: `keys verify` reads it from stdin.

| Exit code | Means |
| --- | --- |
| 0 | done |
| 1 | failed; stderr has one line that says what to do |
| 2 | the command line or the configuration cannot be used; stderr has a line for each problem |
| 130 | interrupted by Ctrl-C |

An unexpected error is one line too; `gateway-auth --debug …` shows its traceback. Colour is left out where
`NO_COLOR` is set or nobody watches. Every change is recorded in the audit as made by `cli:` and the user's name.
"""

REASONS_INTRODUCTION = """\
# Reasons

<!-- Made by `make docs` from gateway_auth/core/decision.py. Change it there. -->

Every request the gateway refuses is answered with `application/problem+json` (RFC 9457). `code` is one of these and
does not change; `type` is `{type}` and the code, except for `rate_limited`, which has a registered type of its own.
`detail` may say more. The same code stands as `reason` in the log line of the refusal, next to the `request_id` of
the answer.
"""


def main() -> int:
    """Write, or with --check compare. Returns the exit code."""
    pages = {"cli.md": render_cli(), "reasons.md": render_reasons(), "configuration.md": render_reference()}
    if sys.argv[1:] == ["--check"]:
        stale = [name for name, text in pages.items() if _committed(DOCS / name) != text]
        for name in stale:
            print(f"docs/{name} is not what the program says; run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    if sys.argv[1:]:
        print("usage: docs.py [--check]", file=sys.stderr)
        return 2
    for name, text in pages.items():
        (DOCS / name).write_text(text, "utf-8")
    return 0


def _committed(page: Path) -> str | None:
    return page.read_text("utf-8") if page.exists() else None


def render_reasons() -> str:
    """The page docs/reasons.md."""
    rows = [
        f"| `{reason}` | {text.status} | {text.title} | {_cell(text.detail)} |"
        for reason, text in sorted(REASONS.items(), key=lambda item: item[1].status)
    ]
    head = ["| Code | Status | Title | Detail |", "| --- | --- | --- | --- |"]
    return "\n".join([REASONS_INTRODUCTION.format(type=PROBLEM_TYPE), *head, *rows]) + "\n"


def render_cli() -> str:
    """The page docs/cli.md."""
    return "\n".join([CLI_INTRODUCTION, *_commands(get_command(app), "gateway-auth")])


def _commands(command: object, name: str) -> Iterator[str]:
    """Every command below and including this one; groups are only titles."""
    below = getattr(command, "commands", None)
    if below is None:
        yield from _command(command, name)
        return
    if " " in name:
        yield f"## {name}\n"
        yield f"{_help(command)}\n"
    for part, inner in below.items():
        yield from _commands(inner, f"{name} {part}")


def _command(command: object, name: str) -> Iterator[str]:
    parameters = [p for p in getattr(command, "params", []) if not getattr(p, "hidden", False)]
    arguments = [p for p in parameters if p.param_type_name == "argument"]
    options = [p for p in parameters if p.param_type_name == "option" and "--help" not in p.opts]
    needed = [f"{o.opts[0]} {o.metavar or o.name.upper()}" for o in options if o.required]
    words = [name, *(_argument_name(a) for a in arguments), *needed, "[OPTIONS]"]
    level = "##" if name.count(" ") == 1 else "###"
    yield f"{level} {name}\n"
    yield f"{_help(command)}\n"
    yield f"```\n{' '.join(words)}\n```\n"
    yield "| Argument or option | Meaning |"
    yield "| --- | --- |"
    for argument in arguments:
        yield f"| `{_argument_name(argument)}` | {_cell(argument.help)} |"
    for option in options:
        yield f"| {_option_name(option)} | {_cell(option.help)}{_default(option)} |"
    yield ""


def _argument_name(argument: object) -> str:
    return getattr(argument, "metavar", None) or str(getattr(argument, "name", "")).upper()


def _option_name(option: object) -> str:
    spelled = ", ".join(f"`{name}`" for name in getattr(option, "opts", []))
    is_flag = getattr(option, "is_flag", False)
    value = getattr(option, "metavar", None) or str(getattr(option, "name", "")).upper()
    return spelled if is_flag else f"{spelled} `{value.replace('|', ' or ')}`"


def _default(option: object) -> str:
    default = getattr(option, "default", None)
    if not getattr(option, "show_default", False) or not default or getattr(option, "is_flag", False):
        return ""
    return f" Default: `{default}`."


def _help(command: object) -> str:
    return str(getattr(command, "help", "") or "").strip()


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())
