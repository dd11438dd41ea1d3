"""The proxy of `gateway_app` on the server that `serve` runs on."""

from __future__ import annotations

import sys

import uvloop

from gateway_auth.server.in_process import serving, stop_signal
from tests.proxy.gateway_app import app


async def main(port: int) -> None:
    """Serve until told to stop."""
    stopped = stop_signal()
    async with serving(app, port):
        await stopped.wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
