"""The smallest HTTP server that an upstream can be: one answer for everything that ends like a request without body.

`python -m benchmarks.upstream PORT`
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

BODY = b'{"id":"42","item":"tea"}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Upstream(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        # Of a stream; uvloop's transports are not classes of asyncio.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        received = self._received + data
        heads = received.count(b"\r\n\r\n")
        if heads and self._transport is not None:
            self._transport.write(ANSWER * heads)
            self._received = received[received.rfind(b"\r\n\r\n") + 4 :]
        else:
            self._received = received


async def serve(port: int) -> None:
    """Until ended."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(int(sys.argv[1])))
