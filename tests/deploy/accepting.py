"""An application that accepts every WebSocket handshake and then sends back what it gets."""

from __future__ import annotations

import socket
from contextlib import suppress

from tests.conformance.upstream import Upstream, answer_to, reading

ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


class Accepting(Upstream):
    """The same records; `/…/answer-401` is answered so, and bytes after a handshake are echoed as they come."""

    def _serve(self, peer: socket.socket) -> None:
        with peer, suppress(OSError, ValueError):
            for record in reading(peer):
                self.records.append(record)
                if record.values("upgrade") == ["websocket"]:
                    peer.sendall(ACCEPTED)
                    break
                status = record.target.rpartition(b"/answer-")[2]
                if status.isdigit():
                    peer.sendall(b"HTTP/1.1 %b Said\r\nX-Own: yes\r\nContent-Length: 3\r\n\r\nown" % status)
                else:
                    peer.sendall(answer_to(record))
            while data := peer.recv(65536):
                peer.sendall(data)
