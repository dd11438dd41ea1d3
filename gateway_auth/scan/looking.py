"""Looks at one file, stream or list of objects, and tells what it found or why it did not look."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from io import FileIO
from typing import BinaryIO

from gateway_auth.core.leaks import LeakFinder
from gateway_auth.scan.archives import look_inside
from gateway_auth.scan.findings import Event, Place, Unseen
from gateway_auth.scan.stream import PIECE_BYTES, search

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def look_at_file(path: str, finder: LeakFinder, *, is_named: bool = False) -> Iterator[Event]:
    """A regular file, whatever it holds. One that somebody has named is missed when it is none, and may be a link."""
    try:
        path_to_open = os.path.realpath(path) if is_named else path
        kind = os.lstat(path_to_open).st_mode
        if not stat.S_ISREG(kind):
            if is_named:
                yield Unseen(path, "is no file; write it to stdin and scan -")
            return
        # Not a link that took its place meanwhile, and never waiting for somebody at the other end of a pipe.
        with FileIO(os.open(path_to_open, _FLAGS)) as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                yield from _look_at(file, path, finder)
    except FileNotFoundError:
        if is_named:
            yield Unseen(path, "there is no such file")
    except (OSError, ValueError) as error:
        yield Unseen(path, (error.strerror if isinstance(error, OSError) else None) or "cannot be read")


def look_at_stream(stream: BinaryIO, finder: LeakFinder, path: str) -> Iterator[Event]:
    """A stream to its end."""
    return search(stream.read, finder, Place(path))


def _look_at(file: FileIO, path: str, finder: LeakFinder) -> Iterator[Event]:
    first = file.read(PIECE_BYTES)
    ahead = [first]
    yield from search(lambda size: ahead.pop() if ahead else file.read(size), finder, Place(path))
    yield from look_inside(file, first[:4], path, finder)
