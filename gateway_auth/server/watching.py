"""Whether files have changed, looked at once a second. It reads them only when the file system says they might have."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable

PERIOD_SECONDS = 1.0
MAX_BYTES = 8 * 1024 * 1024

_Signature = tuple[int, int, int, int] | None


class Watch:
    """Some files, by path. A symbolic link counts as what it leads to, as mounted secrets are swapped that way."""

    def __init__(self, files: Iterable[str]) -> None:
        self._files = tuple(sorted(set(files)))
        self._contents = self._read()
        self._seen = self._look()
        self._is_unsettled = False
        self._next_look = time.monotonic() + PERIOD_SECONDS

    def has_changed(self) -> bool:
        """Whether what stands in them is other than at the beginning, and nobody wrote for a second.

        Told once: afterwards the new contents are the beginning.
        """
        now = time.monotonic()
        if now < self._next_look:
            return False
        self._next_look = now + PERIOD_SECONDS
        seen = self._look()
        if seen != self._seen:
            self._seen, self._is_unsettled = seen, True
            return False
        if not self._is_unsettled:
            return False
        self._is_unsettled = False
        contents = self._read()
        if contents == self._contents:
            return False
        self._contents = contents
        return True

    def _look(self) -> tuple[_Signature, ...]:
        return tuple(_signature(file) for file in self._files)

    def _read(self) -> tuple[bytes, ...]:
        return tuple(_digest(file) for file in self._files)


def _signature(file: str) -> _Signature:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode


def _digest(file: str) -> bytes:
    try:
        with open(file, "rb") as opened:
            return hashlib.sha256(opened.read(MAX_BYTES)).digest()
    except OSError:
        return b""
