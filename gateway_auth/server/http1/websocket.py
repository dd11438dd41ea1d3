"""uvicorn's protocol for WebSockets, where it takes more from a client, or says more of one, than it should."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MAX_EARLY_BYTES = 65_536
"""Of what a client sends before its handshake is answered. It should wait (RFC 6455 section 4.1)."""


LINGER_SECONDS = 2.0
"""For a client to stop sending what nobody reads, before it is cut off (RFC 6455 section 7.1.1)."""
PIECE_BYTES = 4_096
"""How much is read at once: some 600 of the smallest frames, which take milliseconds of everybody's time."""


class WebSocketConnection(WebSocketsSansIOProtocol):
    """Pongs wait for a client that reads, fragments take no more than their bytes, what is refused is no error.

    Frames are read piece by piece, others in between, and no further than the app has come: uvicorn reads all there is.
    """

    _early = b""
    _owed = b""
    _unread = b""
    _is_turn_due = False
    _is_lingering = False

    def data_received(self, data: bytes) -> None:
        """Frames are read when the handshake has been answered: until then the app could not take them."""
        if self._is_lingering:
            return
        if not self.handshake_initiated:
            super().data_received(data)
        elif self.handshake_complete:
            self._unread += data
            if self._may_go_on():
                self._read_on()
        else:
            self._early += data
            if len(self._early) > MAX_EARLY_BYTES:
                self.transport.abort()

    def handle_connect(self, event: Any) -> None:
        """Open it. What opens none is left to whoever gave it here, and told as all else that cannot be read."""
        try:
            self.conn.process_request(event)
        except Exception:  # noqa: BLE001  # whatever is wrong with it
            return
        super().handle_connect(event)

    def _read_on(self) -> None:
        self._is_turn_due = False
        piece, self._unread = self._unread[:PIECE_BYTES], self._unread[PIECE_BYTES:]
        if self.disconnected or self._is_lingering:
            return
        super().data_received(piece)
        if not self._unread:
            self._resume()
            return
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()
        self._take_turns()

    def _may_go_on(self) -> bool:
        """Whether the app has all there is. After its close it takes nothing, and the client's answer is read."""
        return not self._is_turn_due and (self.queue.empty() or self.close_sent)

    def _take_turns(self) -> None:
        if self._may_go_on():
            self._is_turn_due = True
            self.loop.call_soon(self._read_on)

    async def receive(self) -> Any:
        """The next message. More is read when none is left."""
        message = await self.queue.get()
        if self._unread:
            self._take_turns()
        else:
            self._resume()
        return message

    def _resume(self) -> None:
        if self.read_paused and self.queue.empty() and not self.transport.is_closing():
            self.read_paused = False
            self.transport.resume_reading()

    async def send(self, message: Any) -> None:
        """A handshake that was refused is complete as well: uvicorn would log each as an error."""
        await super().send(message)
        if self.close_sent:
            self.handshake_complete = True
            if self._unread:
                self._take_turns()
        elif self._early and self.handshake_complete:
            early, self._early = self._early, b""
            self.data_received(early)

    def handle_parser_exception(self) -> None:
        """Frames that are none, or too large. Closed at once, a client that is still sending would not read why."""
        told = self.conn.close_sent
        if told is not None:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": told.code, "reason": told.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = self._is_lingering = True
        self._unread = b""
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self.close_timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

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
