"""A recording upstream: threads and plain sockets, and a parser that forgives nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from types import TracebackType

from tests.conformance.record import Record

BODY = b'{"served":true}'


class Upstream:
    """Answers every whole request with 200. `records` are those, `broken` what arrived and was none."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.broken: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Upstream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = _Reader(peer)
        with peer:
            while True:
                try:
                    record = reader.read()
                except (ValueError, OSError) as error:
                    self.broken.append(str(error).encode())
                    return
                if record is None:
                    return
                self.records.append(record)
                try:
                    peer.sendall(answer_to(record))
                except OSError:
                    return


def answer_to(record: Record) -> bytes:
    """200 with a small body."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)
    return head + (b"" if record.method == "HEAD" else BODY)


def reading(peer: socket.socket) -> Iterator[Record]:
    """One request after the other. Raises ValueError for whatever is not exactly one."""
    reader = _Reader(peer)
    while (record := reader.read()) is not None:
        yield record


class _Reader:
    """Requests out of one connection. Raises ValueError for whatever is not exactly one."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._data = b""

    def read(self) -> Record | None:
        """The next request; None when the connection ends between two."""
        while b"\r\n\r\n" not in self._data:
            if not self._more():
                if self._data:
                    raise ValueError(f"broke off in a head: {self._data[:200]!r}")
                return None
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        line, *rest = head.split(b"\r\n")
        method, target, version = line.split(b" ")
        if version != b"HTTP/1.1" or any(b"\n" in raw or b"\r" in raw for raw in (line, *rest)):
            raise ValueError(f"not a head: {head[:200]!r}")
        fields = []
        for raw in rest:
            name, colon, value = raw.partition(b":")
            if not colon or name != name.strip() or not name:
                raise ValueError(f"not a field: {raw[:200]!r}")
            fields.append((name, value.strip(b" \t")))
        return Record(method.decode("ascii"), target, tuple(fields), self._body(fields))

    def _body(self, fields: list[tuple[bytes, bytes]]) -> bytes:
        lengths = [value for name, value in fields if name.lower() == b"content-length"]
        codings = [value for name, value in fields if name.lower() == b"transfer-encoding"]
        if len(lengths) + len(codings) > 1:
            raise ValueError(f"framing is told more than once: {lengths} {codings}")
        if lengths:
            if not lengths[0].isdigit():
                raise ValueError(f"not a length: {lengths[0]!r}")
            return self._exactly(int(lengths[0]))
        if not codings:
            return b""
        body = b""
        while size := int(self._line(), 16):
            body += self._exactly(size)
            if self._line():
                raise ValueError("a chunk does not end where it should")
        if self._line():
            raise ValueError("trailers")
        return body

    def _line(self) -> bytes:
        while b"\r\n" not in self._data:
            self._more_or_fail()
        line, _, self._data = self._data.partition(b"\r\n")
        return line

    def _exactly(self, size: int) -> bytes:
        while len(self._data) < size:
            self._more_or_fail()
        found, self._data = self._data[:size], self._data[size:]
        return found

    def _more_or_fail(self) -> None:
        if not self._more():
            raise ValueError("broke off in a body")

    def _more(self) -> bool:
        data = self._peer.recv(65536)
        self._data += data
        return bool(data)
