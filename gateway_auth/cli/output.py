"""What people and scripts read: results to stdout, all else to stderr. Rich is loaded when a table is drawn.

Names come from people and from a database: whatever could drive a terminal is shown escaped (security case A18).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from gateway_auth.cli.failures import CommandFailed
from gateway_auth.core.redaction import redacted

if TYPE_CHECKING:
    from rich.box import Box
    from rich.table import Table
    from rich.text import Text

WIDE = 500
"""Columns of a table that no terminal shows: nothing is cut off or folded in a pipe."""

_STYLES = {
    "active": "green", "ok": "green", "passes": "green",
    "disabled": "yellow", "expired": "yellow", "warning": "yellow", "depends": "yellow",
    "revoked": "red", "failed": "red", "refuses": "red", "problem": "red",
}  # fmt: skip


def inert(text: str) -> str:
    """`text` on one line, with everything escaped that is not simply seen: controls, line breaks, reordering marks."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def tell(line: str = "") -> None:
    """A line of the result."""
    sys.stdout.write(f"{inert(line)}\n")


def note(line: str = "") -> None:
    """A line beside the result, for whoever watches."""
    sys.stderr.write(f"{inert(line)}\n")


def complain(line: str) -> None:
    """A line about what went wrong. It may repeat what was typed, so it is freed of secrets."""
    with suppress(OSError):
        sys.stdout.flush()
    sys.stderr.write(f"gateway-auth: {redacted(inert(line))}\n")


def tell_json(value: object) -> None:
    """A value as JSON in ASCII, which is inert by itself."""
    sys.stdout.write(f"{json.dumps(value, indent=2)}\n")


def tell_once(secret: str, whole: Mapping[str, object], as_json: bool, *, undo: str) -> None:
    """What is shown only now: `secret` alone, or `whole` as JSON.

    Raises CommandFailed where it could not be written; `undo` is the command that stops what nobody has.
    """
    try:
        tell_json(whole) if as_json else tell(secret)
        sys.stdout.flush()
    except OSError as error:
        raise CommandFailed(f"it was made and cannot be printed ({error.strerror}): {undo}") from None
    if not as_json:
        note("Keep it now: this is the only time it is shown.")


def tell_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table with a head; of no rows, nothing."""
    from rich.table import Table

    if rows:
        table = Table(*columns, box=_box(sys.stdout), header_style="bold", pad_edge=False)
        for row in rows:
            table.add_row(*(_cell(value) for value in row))
        _draw(table, sys.stdout)


def tell_list(views: Sequence[Mapping[str, object]], columns: Sequence[str], as_json: bool, *, none: str) -> None:
    """Objects of one kind: these `columns` of each as a table, or all as JSON; `none` of none."""
    if as_json:
        tell_json(views)
    elif views:
        tell_table(columns, [[view[column] for column in columns] for view in views])
    else:
        note(none)


def tell_fields(view: Mapping[str, object], stream: TextIO | None = None) -> None:
    """The fields of one object, one a line; those without a value are left out."""
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    for name, value in view.items():
        if value not in (None, "", [], {}):
            table.add_row(name, _cell(value))
    _draw(table, stream or sys.stdout)


def _draw(table: Table, stream: TextIO) -> None:
    from rich.console import Console

    if stream.isatty():
        Console(file=stream, highlight=False, markup=False, emoji=False).print(table)
        return
    console = Console(file=stream, width=WIDE, highlight=False, markup=False, emoji=False)
    with console.capture() as drawn:
        console.print(table)
    # Columns are padded to the last; a pipe needs no blanks at the ends of lines.
    stream.writelines(f"{line.rstrip()}\n" for line in drawn.get().splitlines())


def _box(stream: TextIO) -> Box | None:
    from rich import box

    return box.SIMPLE_HEAD if stream.isatty() else None


def _cell(value: object) -> Text:
    from rich.text import Text

    text = inert(_spelled(value))
    return Text(text, style=_STYLES.get(text, ""), overflow="fold")


def _spelled(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case Mapping():
            return " ".join(f"{name}={_spelled(item)}" for name, item in value.items())
        case list() | tuple():
            return ", ".join(_spelled(item) for item in value)
        case _:
            return str(value)
