"""Finds secrets in a stream of any length, in bounded memory, wherever they lie across its pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gateway_auth.core.leaks import LONGEST_BYTES, Leak, LeakFinder
from gateway_auth.scan.findings import Finding, Place

Read = Callable[[int], bytes]
"""The next bytes, at most so many; none at the end only."""

PIECE_BYTES = 1 << 20
MARGIN_BYTES = 1024
"""How far around a secret, on its line, the marker is seen."""
MARKER = b"gateway-auth:allow"

assert MARGIN_BYTES > LONGEST_BYTES  # noqa: S101 - else one could lie across two pieces unseen


def search(read: Read, finder: LeakFinder, place: Place) -> Iterator[Finding]:
    """Every secret the stream holds, in order."""
    window = _Window()
    following = read(PIECE_BYTES)
    while following:
        piece, following = following, read(PIECE_BYTES)
        window.take(piece, is_last=not following)
        for leak in finder.find(window.data):
            if window.settled <= leak.start < window.end:
                yield window.locate(leak, place)
        if following:
            window.slide()


class _Window:
    """The piece of a stream that is searched now, with a margin before and after what is told of it.

    Told are secrets that begin at `settled` or later and before `end`: each is in one window only.
    """

    def __init__(self) -> None:
        self.data = b""
        self.settled = 0
        self.end = 0
        self._line = 1
        self._line_start = 0
        """Where the line begins that goes on at the first byte of `data`: 0 or less."""
        self._counted = 0

    def take(self, piece: bytes, *, is_last: bool) -> None:
        self.data = self.data + piece if self.data else piece
        self.end = len(self.data) if is_last else max(self.settled, len(self.data) - MARGIN_BYTES)

    def locate(self, leak: Leak, place: Place) -> Finding:
        self._count_to(leak.start)
        column = leak.start - self._line_start
        return Finding(
            place, self._line, (column // 2 if leak.is_wide else column) + 1, leak, MARKER in self._line_around(leak)
        )

    def slide(self) -> None:
        """Forget all that no secret to come can have on its line within the margin."""
        gone = max(0, self.end - MARGIN_BYTES)
        self._count_to(gone)
        self.data = self.data[gone:]
        self.settled = self.end - gone
        self._line_start -= gone
        self._counted -= gone

    def _count_to(self, offset: int) -> None:
        """Know the line of `offset`. What was counted beyond it already is counted once."""
        if offset <= self._counted:
            return
        breaks = self.data.count(b"\n", self._counted, offset)
        if breaks:
            self._line += breaks
            self._line_start = self.data.rfind(b"\n", self._counted, offset) + 1
        self._counted = offset

    def _line_around(self, leak: Leak) -> bytes:
        first, last = max(0, leak.start - MARGIN_BYTES), leak.start + MARGIN_BYTES
        begin = self.data.rfind(b"\n", first, leak.start) + 1 or first
        end = self.data.find(b"\n", leak.start, last)
        line = self.data[begin : last if end < 0 else end]
        return line.replace(b"\0", b"") if leak.is_wide else line
