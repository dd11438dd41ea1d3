"""uvicorn's protocol for WebSockets, where a client could make it hold more than a message."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class WebSocketConnection(WebSocketsSansIOProtocol):
    """Pongs wait for a client that reads, and fragments take no more than their bytes."""

    _owed: tuple[bytes, ...] = ()

    def handle_ping(self) -> None:
        """To a client that takes nothing, only the latest ping is answered (RFC 6455 section 5.5.3)."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self._owed = tuple(self.conn.data_to_send())

    def resume_writing(self) -> None:
        """The client takes what is sent."""
        super().resume_writing()
        owed, self._owed = self._owed, ()
        if owed and not self.close_sent:
            self.transport.write(b"".join(owed))

    def handle_cont(self, event: Any) -> None:
        """A list of tiny fragments would take many times their bytes."""
        begun: Any = self.frames[0]
        whole = begun if isinstance(begun, bytearray) else bytearray(begun)
        whole += event.data
        self.frames = [bytes(whole) if event.fin else whole]  # type: ignore[list-item]
        if event.fin:
            self.send_receive_event_to_app()
