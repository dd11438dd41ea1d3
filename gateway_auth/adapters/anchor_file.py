"""A file that notes the head of the audit after each change, one a line: `SEQ:HEX TIME`. It is only appended to.

On another disk, or where the store's administrators cannot write, it shows a tail that was cut off the audit and a
chain that was written anew.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from gateway_auth.core.audit import AuditHead, parse_head
from gateway_auth.errors import StoreUnavailable

MODE = 0o600


class AnchorFile:
    """The file at `path`, made when there is none. Several processes may append at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self) -> None:
        """Raises StoreUnavailable where nothing could be noted: asked before a change, which is then not made."""
        os.close(self._open())

    def append(self, head: AuditHead, at: float) -> None:
        """Note a head, and see that it is on the disk. Raises StoreUnavailable."""
        line = f"{head} {datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}\n".encode()
        descriptor = self._open()
        try:
            # One write, so that lines of two processes never mix.
            if os.write(descriptor, line) != len(line):
                raise self._unusable("the disk is full")
            os.fsync(descriptor)
        except OSError as error:
            raise self._unusable(error.strerror) from error
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(self._path, flags, MODE)
        except OSError as error:
            raise self._unusable(error.strerror) from error

    def _unusable(self, why: str | None) -> StoreUnavailable:
        return StoreUnavailable(f"{self._path} cannot be written: {why}; mend it, or change audit.anchor_file")


def read_anchors(path: Path) -> dict[int, bytes]:
    """What was noted, by `seq`. Raises ValueError for lines that were not, and for two of one record that differ."""
    anchors: dict[int, bytes] = {}
    with open(path, encoding="ascii", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                head = parse_head(line.split()[0])
            except ValueError:
                raise ValueError(f"line {number} is no anchor") from None
            if anchors.setdefault(head.seq, head.hash) != head.hash:
                raise ValueError(f"line {number} says another head of record {head.seq} than a line before")
    return anchors
