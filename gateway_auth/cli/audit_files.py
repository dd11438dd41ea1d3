"""The audit as files for other programs: JSON Lines, and CSV that no spreadsheet takes for formulas.

Every line stands for itself and is inert on a terminal: what could drive one is written escaped.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from gateway_auth.cli.failures import CommandFailed
from gateway_auth.cli.new_files import SECRET_MODE
from gateway_auth.cli.output import inert

if TYPE_CHECKING:
    from gateway_auth.core.audit import SealedRecord

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What begins a formula (OWASP ASVS 5.0, 1.2.10), in the wide spelling of East Asian versions too."""


@contextmanager
def open_new(path: Path | None) -> Iterator[TextIO]:
    """A new file, its owner's alone; stdout where none is named. A file that failed half-way is removed."""
    if path is None:
        yield sys.stdout
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, SECRET_MODE)
    except FileExistsError:
        raise CommandFailed(f"{path} is there already; name another file") from None
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file
    except BaseException:
        path.unlink()
        raise


async def write_json_lines(file: TextIO, records: AsyncIterator[SealedRecord]) -> int:
    """One object a line, in ASCII; how many."""
    from gateway_auth.lifecycle.audit import audit_view

    count = 0
    async for sealed in records:
        file.write(json.dumps(audit_view(sealed)) + "\n")
        count += 1
    return count


async def write_json_array(file: TextIO, records: AsyncIterator[SealedRecord]) -> int:
    """One array of the same objects, each on its line; how many."""
    from gateway_auth.lifecycle.audit import audit_view

    count = 0
    file.write("[")
    async for sealed in records:
        file.write(f"{',' if count else ''}\n  {json.dumps(audit_view(sealed))}")
        count += 1
    file.write("\n]\n" if count else "]\n")
    return count


async def write_csv(file: TextIO, records: AsyncIterator[SealedRecord]) -> int:
    """A head and one line each (RFC 4180); how many."""
    from gateway_auth.lifecycle.audit import FIELDS, audit_view

    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(FIELDS)
    count = 0
    async for sealed in records:
        view = audit_view(sealed)
        writer.writerow([neutralised(view[name]) for name in FIELDS])
        count += 1
    return count


def neutralised(value: object) -> str:
    """The cell of a value: text that a spreadsheet shows, and never calculates."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    cell = inert(text)
    return f"'{cell}" if text.startswith(_FORMULA) or cell.startswith(_FORMULA) else cell
