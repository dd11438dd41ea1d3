"""Makes the connections of one worker, and looks after them every few seconds."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from gateway_auth.server.http1.connection import ClientConnection
from gateway_auth.server.http1.site import Site

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

TICK_SECONDS = 1.0
LOOK_TICKS = 5


class Connections(Site):
    """Made once for a worker. `open` is what uvicorn makes its protocol with, for every connection."""

    _ticks = 0
    _timer: asyncio.TimerHandle | None = None

    def open(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> ClientConnection:
        """A protocol for one connection."""
        self.begin(config, server_state, _loop or asyncio.get_running_loop())
        return ClientConnection(self)

    def begin(self, config: Config, server_state: ServerState, loop: asyncio.AbstractEventLoop) -> None:
        """Before each connection; only the first time is it news."""
        if self._timer is None:
            self.config, self.state, self.loop = config, server_state, loop
            self._tick()

    def close(self) -> None:
        """The clock stops. Connections that are open stay so."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        self._timer = self.loop.call_later(TICK_SECONDS, self._tick)
        self.now = self.loop.time()
        self.date_line = b"date: " + formatdate(usegmt=True).encode()
        self._ticks += 1
        self.said_lines = 0
        if self._ticks % LOOK_TICKS == 0:
            for connection in [each for each in self.state.connections if isinstance(each, ClientConnection)]:
                connection.look(self.now)
