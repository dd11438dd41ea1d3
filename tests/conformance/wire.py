"""A client that writes raw bytes and reads answers strictly. Nothing between a test and the socket normalises."""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass
from types import TracebackType

DEADLINE_SECONDS = 10.0
QUIET_SECONDS = 0.15
"""How long nothing may come before a connection that stays open is taken to have said all."""

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2}) ?[\t\x20-\x7e\x80-\xff]*")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
_WITHOUT_BODY = frozenset((101, 204, 304))


class NotHTTP(AssertionError):
    """What came is no answer a strict client would take."""


@dataclass(frozen=True)
class Answer:
    """One final answer, or 101, after which the connection speaks another protocol. Field names are lower-case."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        """Every value of a field, in order."""
        return [value for known, value in self.fields if known == name]

    def value(self, name: str) -> str | None:
        """The value of a field that may come at most once."""
        values = self.values(name)
        assert len(values) < 2, f"{name} came {len(values)} times"
        return values[0] if values else None


class Connection:
    """One TCP connection, from `source` to a port of this machine."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), DEADLINE_SECONDS, (source, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""
        self.is_over = False

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, raw: bytes) -> None:
        """As it is. A gateway that hangs up before it has read all is no error: the answer tells."""
        try:
            self._socket.sendall(raw)
        except (BrokenPipeError, ConnectionResetError):
            return

    def send_byte_by_byte(self, raw: bytes) -> None:
        """One segment per byte."""
        for position in range(len(raw)):
            self.send(raw[position : position + 1])
            time.sleep(0.0001)

    def send_in_two(self, raw: bytes, position: int) -> None:
        """Two segments, read one after the other."""
        self.send(raw[:position])
        time.sleep(0.003)
        self.send(raw[position:])

    def first_bytes(self, patience_seconds: float, count: int = 1) -> bytes:
        """What comes first, whatever it is, in as many pieces as make `count` bytes; less if the connection closes."""
        while len(self._data) < count and self._receive(patience_seconds):
            pass
        return self._data

    def answer(self, method: str = "GET") -> Answer:
        """The next final answer; raises NotHTTP where none comes."""
        answer = self._next(method, DEADLINE_SECONDS)
        if answer is None:
            raise NotHTTP(f"no answer; left over: {self._data[:200]!r}")
        return answer

    def answers(self, methods: tuple[str, ...] = (), patience_seconds: float = DEADLINE_SECONDS) -> list[Answer]:
        """All answers until the gateway closes or is quiet. The first may take its time."""
        found: list[Answer] = []
        while True:
            method = methods[len(found)] if len(found) < len(methods) else "GET"
            answer = self._next(method, QUIET_SECONDS if found else patience_seconds)
            if answer is None:
                assert not self._data, f"half an answer: {self._data[:200]!r}"
                return found
            found.append(answer)

    def _next(self, method: str, patience_seconds: float) -> Answer | None:
        while True:
            head = self._head(patience_seconds)
            if head is None:
                return None
            status, fields = head
            if status == 101 or status >= 200:
                break
        return Answer(status, fields, self._body(method, status, fields))

    def _head(self, patience_seconds: float) -> tuple[int, tuple[tuple[str, str], ...]] | None:
        while b"\r\n\r\n" not in self._data:
            if not self._receive(patience_seconds):
                return None
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        line, *rest = head.split(b"\r\n")
        status = _STATUS_LINE.fullmatch(line)
        matches = [_FIELD.fullmatch(field) for field in rest]
        if status is None or None in matches:
            raise NotHTTP(repr(head))
        pairs = tuple(
            (match[1].decode("latin-1").lower(), match[2].decode("latin-1")) for match in matches if match is not None
        )
        return int(status[1]), pairs

    def _body(self, method: str, status: int, fields: tuple[tuple[str, str], ...]) -> bytes:
        lengths = [value for name, value in fields if name == "content-length"]
        codings = [value for name, value in fields if name == "transfer-encoding"]
        if len(lengths) + len(codings) > 1:
            raise NotHTTP(f"framing is told more than once: {lengths} {codings}")
        if method == "HEAD" or status in _WITHOUT_BODY:
            return b""
        if lengths:
            return self._exactly(int(lengths[0]))
        if not codings:
            while self._receive(DEADLINE_SECONDS):
                pass
            body, self._data = self._data, b""
            return body
        if codings != ["chunked"]:
            raise NotHTTP(f"transfer codings: {codings}")
        body = b""
        while size := int(self._line(), 16):
            body += self._exactly(size)
            self._end_of_line()
        self._end_of_line()
        return body

    def _line(self) -> bytes:
        while b"\r\n" not in self._data:
            self._receive_or_fail()
        line, _, self._data = self._data.partition(b"\r\n")
        return line

    def _end_of_line(self) -> None:
        if self._exactly(2) != b"\r\n":
            raise NotHTTP("a chunk does not end where it should")

    def _exactly(self, size: int) -> bytes:
        while len(self._data) < size:
            self._receive_or_fail()
        found, self._data = self._data[:size], self._data[size:]
        return found

    def _receive_or_fail(self) -> None:
        if not self._receive(DEADLINE_SECONDS):
            raise NotHTTP(f"an answer broke off after {self._data[:200]!r}")

    def _receive(self, patience_seconds: float) -> bool:
        self._socket.settimeout(patience_seconds)
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            return False
        except ConnectionResetError:
            data = b""
        self.is_over = self.is_over or not data
        self._data += data
        return bool(data)


def ask(port: int, raw: bytes, *, method: str = "GET", source: str = "127.0.0.1") -> Answer:
    """One request on a connection of its own."""
    with Connection(port, source) as connection:
        connection.send(raw)
        return connection.answer(method)


def request(
    method: str,
    target: str | bytes,
    fields: list[tuple[str, bytes]],
    body: bytes = b"",
    host: bytes | None = b"api.test",
) -> bytes:
    """The bytes of a request. A Host among `fields` stands instead of `host`."""
    raw_target = target.encode() if isinstance(target, str) else target
    lines = [b"%b %b HTTP/1.1" % (method.encode(), raw_target)]
    if host is not None and not any(name.lower() == "host" for name, _ in fields):
        lines.append(b"Host: " + host)
    lines += [b"%b: %b" % (name.encode(), value) for name, value in fields]
    if body and not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in fields):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
