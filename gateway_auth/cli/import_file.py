"""Reads a file of keys to import, CSV with a head or JSON Lines, into entries. It checks no key; errors repeat none."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from gateway_auth.cli.failures import CommandRefused
from gateway_auth.lifecycle.import_keys import COLUMNS, Entry

STDIN = "-"
MAX_BYTES = 64 << 20
MAX_ENTRIES = 200_000
FORMATS = ("csv", "jsonl")


def read_entries(name: str, written_as: str | None) -> list[Entry]:
    """The entries of a file; what it is written in is told by its name unless given. Raises CommandRefused."""
    form = written_as or (
        "csv" if name.lower().endswith(".csv") else "jsonl" if name.lower().endswith(".jsonl") else ""
    )
    if form not in FORMATS:
        raise CommandRefused("--format: write csv or jsonl")
    text = _read(name)
    entries = []
    for entry in _csv(text) if form == "csv" else _jsonl(text):
        entries.append(entry)
        if len(entries) > MAX_ENTRIES:
            raise CommandRefused(f"{name} has more than {MAX_ENTRIES} entries; split it")
    return entries


def _read(name: str) -> str:
    if name == STDIN:
        content = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        with Path(name).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise CommandRefused(f"{name} is longer than {MAX_BYTES >> 20} MiB; split it")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandRefused(f"{name} is not UTF-8") from error


def _csv(text: str) -> Iterator[Entry]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = [column.strip() for column in next(reader, [])]
        if len(set(head)) < len(head):
            raise CommandRefused("line 1: a column stands there twice")
        for row in reader:
            if row and len(row) != len(head):
                raise CommandRefused(f"line {reader.line_num}: has {len(row)} columns, the head has {len(head)}")
            if row:
                yield Entry(reader.line_num, dict(zip(head, row, strict=True)))
    except csv.Error as error:
        raise CommandRefused(f"line {reader.line_num}: is not CSV") from error


def _jsonl(text: str) -> Iterator[Entry]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            written = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CommandRefused(f"line {number}: is not JSON") from error
        if not isinstance(written, dict):
            raise CommandRefused(f"line {number}: must be an object")
        yield Entry(number, {name: _text(number, name, value) for name, value in written.items() if value is not None})


def _text(number: int, name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return " ".join(value)
    what = name if name in COLUMNS else "a value"
    raise CommandRefused(f"line {number}: {what}: must be text, or a list of texts")
