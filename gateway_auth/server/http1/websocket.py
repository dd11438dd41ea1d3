"""uvicorn's protocol for WebSockets, where it takes more from a client, or says more of one, than it should."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MAX_EARLY_BYTES = 65_536
"""Of what a client sends before its handshake is answered. It should wait (RFC 6455 section 4.1)."""


class WebSocketConnection(WebSocketsSansIOProtocol):
    """Pongs wait for a client that reads, fragments take no more than their bytes, what is refused is no error."""

    _early = b""
    _owed = b""

    def data_received(self, data: bytes) -> None:
        """Frames are read when the handshake has been answered: until then the app could not take them."""
        if not self.handshake_initiated or self.handshake_complete:
            super().data_received(data)
            return
        self._early += data
        if len(self._early) > MAX_EARLY_BYTES:
            self.transport.abort()

    async def send(self, message: Any) -> None:
        """A handshake that was refused is complete as well: uvicorn would log each as an error."""
        await super().send(message)
        if self.close_sent:
            self.handshake_complete = True
        elif self._early and self.handshake_complete:
            early, self._early = self._early, b""
            super().data_received(early)

    def handle_ping(self) -> None:
        """To a client that takes nothing, only the latest ping is answered (RFC 6455 section 5.5.3)."""
        if self.writable.is_set():
            super().handle_ping()
        elif pongs := self.conn.data_to_send():  # to all pings that were read at once
            self._owed = pongs[-1]

    def resume_writing(self) -> None:
        """The client takes what is sent."""
        super().resume_writing()
        owed, self._owed = self._owed, b""
        if owed and not self.close_sent:
            self.transport.write(owed)

    def handle_cont(self, event: Any) -> None:
        """A list of tiny fragments would take many times their bytes."""
        begun: Any = self.frames[0]
        whole = begun if isinstance(begun, bytearray) else bytearray(begun)
        whole += event.data
        self.frames = [bytes(whole) if event.fin else whole]  # type: ignore[list-item]
        if event.fin:
            self.send_receive_event_to_app()
