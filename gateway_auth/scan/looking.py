"""Looks at one file or stream, and tells what it found or why it did not look."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

from gateway_auth.core.leaks import LeakFinder
from gateway_auth.scan.archives import MAGIC_BYTES, look_inside
from gateway_auth.scan.findings import Event, Place, Unseen
from gateway_auth.scan.stream import search

# Not a link that took the file's place meanwhile, and never waiting for somebody at the other end of a pipe.
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_MORE_BYTES = 512
"""Asked for beyond the size a file says it has: it may be growing, or of a kind that has none."""


def look_at_file(path: str, finder: LeakFinder) -> Iterator[Event]:
    """A file that was found (`places`); nothing, where it is no regular file or gone by now."""
    try:
        descriptor = os.open(path, _FLAGS)
        try:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode):
                yield from _look_at(_Regular(descriptor, found.st_size), path, finder)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return
    except OSError as error:
        yield Unseen(path, error.strerror or "cannot be read")


def look_at_named(path: str, finder: LeakFinder) -> Iterator[Event]:
    """A file somebody has named: it is missed when it is none, and may be a link."""
    try:
        target = os.path.realpath(path)
        if stat.S_ISREG(os.lstat(target).st_mode):
            for event in look_at_file(target, finder):
                yield event.renamed(path)
        else:
            yield Unseen(path, "is no file; write it to stdin and scan -")
    except FileNotFoundError:
        yield Unseen(path, "there is no such file")
    except (OSError, ValueError) as error:
        yield Unseen(path, (error.strerror if isinstance(error, OSError) else None) or "is not a path")


def look_at_stream(stream: BinaryIO, finder: LeakFinder, path: str) -> Iterator[Event]:
    """A stream to its end."""
    return search(stream.read, finder, Place(path))


class _Regular:
    """An open file, read in pieces no larger than it: a buffer of a whole piece for each small one would cost more."""

    __slots__ = ("_left", "descriptor", "magic")

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor = descriptor
        self.magic: bytes | None = None
        self._left = size

    def read(self, size: int) -> bytes:
        data = os.read(self.descriptor, min(size, max(self._left, 0) + _MORE_BYTES))
        self._left -= len(data)
        if self.magic is None:
            self.magic = data[:MAGIC_BYTES]
        return data


def _look_at(file: _Regular, path: str, finder: LeakFinder) -> Iterator[Event]:
    yield from search(file.read, finder, Place(path))
    if file.magic:
        yield from look_inside(file.descriptor, file.magic, path, finder)
