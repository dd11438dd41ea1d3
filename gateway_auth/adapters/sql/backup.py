"""A store as a file: JSON Lines, one row a line, the same from every database. Reads and writes the form, no database.

The first line says what it is, the last one how many rows there are and the SHA-256 of all lines before it: a file
that was cut or edited is refused. Binary columns are base64. It holds digests of keys, and no secret.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec
from msgspec import Struct

from gateway_auth.adapters.sql.rows import Column, from_row
from gateway_auth.adapters.sql.schema import CURRENT_SCHEMA, apps, audit, imported_keys, keys, revocations
from gateway_auth.core.audit import GENESIS, AuditHead, AuditRecord, link
from gateway_auth.core.imported import ImportedKey
from gateway_auth.core.keys import AppRecord, KeyRecord
from gateway_auth.core.token import Revocation

FORM = "gateway-auth backup 1"
MAX_LINE_BYTES = 4 * 1024 * 1024
TABLES = {table.name: table for table in (apps, keys, imported_keys, revocations, audit)}
"""In the order they are filled: what is referred to comes first. Admins and usage are not among them."""

_BINARY: dict[str, set[str]] = {"keys": {"digest"}, "imported_keys": {"lookup"}, "audit": {"hash"}}

Record = dict[str, Column]
S = TypeVar("S", bound=Struct)


class UnusableBackup(Exception):
    """Not a backup, not a whole one, or not one of this schema. The text goes on after the file's name."""


class Header(Struct, frozen=True, kw_only=True):
    """The first line. `made_at` is UTC epoch seconds."""

    form: str
    schema: str
    made_at: float
    revision: int
    audit_seq: int
    audit_hash: bytes

    @property
    def head(self) -> AuditHead:
        """Where its audit ends."""
        return AuditHead(self.audit_seq, self.audit_hash)


class _Line(Struct, frozen=True):
    table: str
    row: dict[str, object]


class _Footer(Struct, frozen=True):
    rows: int
    sha256: str


class Writer:
    """Writes one backup to a file that is open."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        self._file = file
        self._sum = sha256()
        self._rows = 0
        self._write(msgspec.json.encode(header))

    def add(self, table: str, row: Record) -> None:
        """One row."""
        self._rows += 1
        self._write(msgspec.json.encode({"table": table, "row": row}))

    def close(self) -> int:
        """The last line, without which all is void; how many rows there are."""
        self._file.write(msgspec.json.encode(_Footer(self._rows, self._sum.hexdigest())) + b"\n")
        return self._rows

    def _write(self, line: bytes) -> None:
        self._sum.update(line)
        self._sum.update(b"\n")
        self._file.write(line + b"\n")


class Backup:
    """A backup in a file, examined as a whole: what `header` says is so."""

    def __init__(self, path: Path) -> None:
        """Raises UnusableBackup and OSError."""
        self._path = path
        with open(path, "rb") as file:
            self.header = _header(_line(file))
        head = GENESIS
        for table, row in self.rows():
            if table == audit.name:
                head = _next_head(head, row)
        if head != self.header.head:
            raise UnusableBackup("ends its audit elsewhere than it says: it was edited; use another one")

    def begins_with(self, head: AuditHead) -> bool:
        """Whether its audit once ended there: this store's history, up to then."""
        if head in (GENESIS, self.header.head):
            return True
        of_audit = (row for table, row in self.rows() if table == audit.name)
        return any(row["seq"] == head.seq and row["hash"] == head.hash for row in of_audit)

    def rows(self) -> Iterator[tuple[str, Record]]:
        """Every row with the name of its table. Raises UnusableBackup, at the latest at the end."""
        checksum = sha256()
        count = 0
        with open(self._path, "rb") as file:
            line = _line(file)
            while True:
                checksum.update(line)
                line = _line(file)
                if line.startswith(b'{"rows"'):
                    break
                count += 1
                yield _row(line)
            footer = _decoded(line, _Footer)
            if footer.sha256 != checksum.hexdigest() or footer.rows != count or file.read(1):
                raise UnusableBackup("is not as it was written; use another one")


def _line(file: BinaryIO) -> bytes:
    line = file.readline(MAX_LINE_BYTES)
    if not line.endswith(b"\n"):
        raise UnusableBackup("is not whole: it was cut, or never finished; use another one")
    return line


def _header(line: bytes) -> Header:
    try:
        header = msgspec.json.decode(line, type=Header)
    except msgspec.MsgspecError:
        raise UnusableBackup("is not a backup") from None
    if header.form != FORM:
        raise UnusableBackup("is a backup of another form; restore it with the version that made it")
    if header.schema != CURRENT_SCHEMA.version:
        raise UnusableBackup(
            f"was made at schema {header.schema}, and this version has {CURRENT_SCHEMA.version}; restore it with the "
            "version that made it, then run `gateway-auth store upgrade`"
        )
    return header


def _row(line: bytes) -> tuple[str, Record]:
    found = _decoded(line, _Line)
    table = TABLES.get(found.table)
    if table is None or set(found.row) != set(table.columns.keys()):
        raise UnusableBackup("holds rows of no table there is; use another one")
    binary = _BINARY.get(found.table, set())
    row = {name: _value(value, is_binary=name in binary) for name, value in found.row.items()}
    _check(found.table, row)
    return found.table, row


def _value(value: object, *, is_binary: bool) -> Column:
    try:
        if is_binary and isinstance(value, str):
            return b64decode(value, validate=True)
    except ValueError:
        value = []
    if value is None or isinstance(value, str | int | float):
        return value
    raise UnusableBackup("holds a value that no column takes; use another one")


def _check(table: str, row: Record) -> None:
    """Raises UnusableBackup for a row that the store could not read again."""
    try:
        match table:
            case "apps":
                from_row(AppRecord, [row[name] for name in AppRecord.__struct_fields__])
            case "keys":
                from_row(KeyRecord, [row[name] for name in KeyRecord.__struct_fields__])
            case "imported_keys":
                msgspec.convert(row, ImportedKey, builtin_types=(bytes,))
            case "revocations":
                from_row(Revocation, [row[name] for name in Revocation.__struct_fields__])
            case _:
                _record(row)
    except msgspec.MsgspecError as error:
        raise UnusableBackup(f"holds a row of {table} that cannot be read: {error}; use another one") from None


def _record(row: Record) -> AuditRecord:
    return msgspec.convert([row[name] for name in AuditRecord.__struct_fields__], AuditRecord)


def _next_head(head: AuditHead, row: Record) -> AuditHead:
    record = _record(row)
    found = AuditHead(record.seq, link(head.hash, record))
    if found.seq != head.seq + 1 or found.hash != row["hash"]:
        raise UnusableBackup(f"has an audit that breaks at record {head.seq + 1}; use another one")
    return found


def _decoded(line: bytes, kind: type[S]) -> S:
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.MsgspecError:
        raise UnusableBackup("holds a line that is none of a backup; use another one") from None
