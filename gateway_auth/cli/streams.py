"""The three standard streams, whatever the caller has made of them: closed, full, or of a narrow encoding."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from io import TextIOBase, TextIOWrapper

BROKEN_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""What writing to a stream fails with, besides a pipe that nobody reads."""


class _Closed(TextIOBase):
    """Stands for a stdout that was closed before we began: a result that nobody gets is a failure."""

    def write(self, _text: str, /) -> int:
        """Always fails, as a write to the closed descriptor would."""
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def settle_streams() -> None:
    """Make sure that all three are there, and that stdout takes every text: what it cannot spell it escapes."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _occupy()
    # Both speak to /dev/null then, for as long as the process lives.
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or _Closed()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def finish_output() -> None:
    """Write what waits; where that fails, let the interpreter's last flush go nowhere instead of complaining."""
    try:
        sys.stdout.flush()
    except OSError:
        forget_output()


def forget_output() -> None:
    """From here on nothing that is written gets anywhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # one of ours has no descriptor
            os.dup2(nowhere, stream.fileno())


def _occupy() -> None:
    """Open the descriptors 0 to 2 that are not: a file we open must not become the stdout of whatever we start."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
