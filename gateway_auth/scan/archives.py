"""Looks into gzip, bzip2 and ZIP, one level deep and within bounds. Nothing is unpacked to a disk.

What an archive holds without compression lies in its own bytes, which are searched like any file's.
"""

from __future__ import annotations

import bz2
import gzip
import os
import zipfile
from collections.abc import Callable, Iterator
from io import FileIO

from gateway_auth.core.leaks import LeakFinder
from gateway_auth.scan.findings import Event, Place, Unseen
from gateway_auth.scan.stream import Read, search

MAGIC_BYTES = 4
"""How much of the beginning of a file says what it is."""
MAX_INSIDE_BYTES = 256 << 20
"""Uncompressed, of all members together: what a small file can blow up to."""
MAX_MEMBERS = 10_000
MAX_DIRECTORY_BYTES = 4 << 20
"""Of the list of members at the end of a ZIP file, all of which is held in memory."""

_END_OF_DIRECTORY = b"PK\x05\x06"
_END_RECORD_BYTES = 22
_ZIP64_LOCATOR = b"PK\x06\x07"


class _TooMuch(Exception):
    """A bound was met; the text says which."""


def look_inside(descriptor: int, magic: bytes, path: str, finder: LeakFinder) -> Iterator[Event]:
    """What the compressed members of an archive hold; of any other file nothing. `magic` is how it begins."""
    look = next((look for begin, look in _KINDS.items() if magic.startswith(begin)), None)
    if look is None:
        return
    try:
        with FileIO(descriptor, closefd=False) as file:
            file.seek(0)
            yield from look(file, path, finder)
    except _TooMuch as error:
        yield Unseen(path, str(error), is_failure=False)
    except Exception:  # noqa: BLE001 - whatever a hostile archive makes a decoder raise
        yield Unseen(path, "is a damaged archive: what can be read of it was looked at", is_failure=False)


def _look_inside_gzip(file: FileIO, path: str, finder: LeakFinder) -> Iterator[Event]:
    return search(_Budget().spent_by(gzip.GzipFile(fileobj=file).read), finder, Place(path, "uncompressed"))


def _look_inside_bzip2(file: FileIO, path: str, finder: LeakFinder) -> Iterator[Event]:
    return search(_Budget().spent_by(bz2.BZ2File(file).read), finder, Place(path, "uncompressed"))


def _look_inside_zip(file: FileIO, path: str, finder: LeakFinder) -> Iterator[Event]:
    _refuse_long_directory(file)
    budget = _Budget()
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise _TooMuch(f"has more than {MAX_MEMBERS} members: they were not uncompressed")
        for member in members:
            if member.compress_type == zipfile.ZIP_STORED:
                continue
            if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
                why = f"its member {member.filename} is encrypted, or compressed in a way that is not read"
                yield Unseen(path, why, is_failure=False)
                continue
            with archive.open(member) as content:
                yield from search(budget.spent_by(content.read), finder, Place(path, member.filename))


def _refuse_long_directory(file: FileIO) -> None:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 65536 - _END_RECORD_BYTES))
    tail = file.read()
    end = tail.rfind(_END_OF_DIRECTORY)
    directory_bytes = int.from_bytes(tail[end + 12 : end + 16], "little")
    if end >= 0 and (directory_bytes > MAX_DIRECTORY_BYTES or _ZIP64_LOCATOR in tail[max(0, end - 20) : end]):
        raise _TooMuch("has too long a list of members: they were not uncompressed")


class _Budget:
    """How much of an archive is uncompressed."""

    def __init__(self) -> None:
        self._left = MAX_INSIDE_BYTES

    def spent_by(self, read: Read) -> Read:
        """`read`, until the budget is spent. Raises _TooMuch then."""

        def read_within(size: int) -> bytes:
            data = read(size)
            self._left -= len(data)
            if self._left < 0:
                raise _TooMuch(f"holds more than {MAX_INSIDE_BYTES >> 20} MiB: the rest was not looked at")
            return data

        return read_within


_KINDS: dict[bytes, Callable[[FileIO, str, LeakFinder], Iterator[Event]]] = {
    b"\x1f\x8b\x08": _look_inside_gzip,
    b"BZh": _look_inside_bzip2,
    b"PK\x03\x04": _look_inside_zip,
}
