"""An upstream for large bodies: GET is answered with as many bytes as the query says, anything else is read to its end.

`python -m benchmarks.bulk_upstream PORT`
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import cast

PIECE = bytes(256 * 1024)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: %d\r\n\r\n"

_GET = re.compile(rb"GET /bulk\?(\d+) ")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class BulkUpstream(asyncio.Protocol):
    """One connection, one request after the other."""

    def __init__(self) -> None:
        self._head = b""
        self._left = 0
        self._owed = 0
        self._may_write = True
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        # Of a stream; uvloop's transports are not classes of asyncio.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """A head, or a piece of a body that is only counted."""
        if self._left:
            self._left -= len(data)
            if not self._left:
                self._answer(0)
            return
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            return
        self._head = b""
        asked, length = _GET.match(head), _LENGTH.search(head)
        self._left = int(length.group(1)) - len(rest) if length else 0
        if not self._left:
            self._answer(int(asked.group(1)) if asked else 0)

    def pause_writing(self) -> None:
        """Whoever reads is slower."""
        self._may_write = False

    def resume_writing(self) -> None:
        """And has caught up."""
        self._may_write = True
        self._go_on()

    def _answer(self, body_bytes: int) -> None:
        self._owed = body_bytes
        if self._transport is not None:
            self._transport.write(ANSWER % body_bytes)
        self._go_on()

    def _go_on(self) -> None:
        while self._owed and self._may_write and self._transport is not None:
            piece = PIECE[: self._owed]
            self._owed -= len(piece)
            self._transport.write(piece)


async def serve(port: int) -> None:
    """Until ended."""
    server = await asyncio.get_running_loop().create_server(BulkUpstream, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(int(sys.argv[1])))
