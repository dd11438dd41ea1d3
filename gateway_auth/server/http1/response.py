"""The bytes of a response, from what an app says of it (RFC 9112). Knows no connection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus

from gateway_auth.asgi.types import Header, Message
from gateway_auth.core.http_head import joined
from gateway_auth.core.memo import Memo
from gateway_auth.core.shapes import Shapes

_BODILESS = frozenset((204, 304))
_LAST_CHUNK = b"0\r\n\r\n"
_CLOSE = b"connection: close"
_KEEP_ALIVE = b"connection: keep-alive"
_CHUNKED = b"transfer-encoding: chunked"
_PLAIN, _LENGTH, _DATE, _CONNECTION, _DROPPED = range(5)
_MEANINGS = {
    b"content-length": _LENGTH,
    b"date": _DATE,
    b"connection": _CONNECTION,
    b"keep-alive": _DROPPED,
    b"transfer-encoding": _DROPPED,
    b"upgrade": _DROPPED,
}
# Names should be lower-case (ASGI), but not every app's are.
_MEANING: Memo[bytes, int] = Memo(lambda name: _MEANINGS.get(name.lower(), _PLAIN), 1024, 64)
_KEPT = (_PLAIN, _DATE)
_SHAPES = Shapes(_MEANING.__getitem__, _KEPT.__contains__, lambda meaning: meaning not in (_PLAIN, _DROPPED))
_LINE = b": ".join
_LENGTHS: Memo[int, tuple[bytes, bytes]] = Memo(lambda length: (b"%d" % length, b"content-length: %d" % length))
"""A length, and the line that tells it."""


class BadAnswer(Exception):
    """What the app says makes no valid response."""


class Framing:
    """How the end of one response is told, and what is still to come of it. It writes nothing itself.

    `version` and `is_to_head` are the request's. `is_persistent` begins as what the client is willing to; after `head`
    it tells whether the connection outlives the response.
    """

    _is_chunked = False
    _is_silent = False
    _left: int | None = None

    def __init__(self, version: str, is_to_head: bool, is_persistent: bool) -> None:
        self._version = version
        self._is_to_head = is_to_head
        self.is_persistent = is_persistent

    def head(self, start: Message, date: bytes, whole: int | None, own: Iterable[bytes] = ()) -> bytes:
        """Up to and with the empty line. `date` is the line to add where there is none, `whole` the length of a body
        that is known already, `own` are lines of the server's. Raises `BadAnswer` for what could be read as another
        response than it is.
        """
        status: int = start["status"]
        lines = [_STATUS_LINES.get(status) or _refuse_status(status)]
        length, is_dated = self._take(start.get("headers", ()), lines)
        if not is_dated:
            lines.append(date)
        lines += own
        self._is_silent = self._is_to_head or status in _BODILESS
        if length is None and whole is not None and not self._is_silent:
            length = b"%d" % whole
        self._frame(length, lines, status)
        if not self.is_persistent:
            lines.append(_CLOSE)
        elif self._version != "1.1":
            lines.append(_KEEP_ALIVE)
        return _joined(lines)

    def whole(
        self, status: int, headers: Sequence[Header], body: bytes, date: bytes, own: Iterable[bytes] = ()
    ) -> bytes:
        """Head and body of a response that comes at once; otherwise as `head` and `body`.

        Most are plain: what of their fields has to be known is whether there is a date, and that the length is true.
        """
        shape, line = _SHAPES.of(headers), _STATUS_LINES.get(status)
        is_usual = self._version == "1.1" and self.is_persistent and not self._is_to_head and status not in _BODILESS
        if shape is not None and line is not None and is_usual:
            places, (length, length_line) = shape.places, _LENGTHS[len(body)]
            at = places.get(_LENGTH)
            if (at is None or headers[at][1] == length) and _CONNECTION not in places:
                keep = shape.keep
                lines = [line, *map(_LINE, keep(headers)), *own, length_line]
                if _DATE not in places:
                    lines.append(date)
                return _joined(lines) + body
        head = self.head({"status": status, "headers": headers}, date, len(body), own)
        return head + self.body(body, is_last=True)

    def _take(self, headers: Sequence[Header], lines: list[bytes]) -> tuple[bytes | None, bool]:
        """Put into `lines` what goes on as it is. Returns the declared length, and whether there is a date."""
        shape = _SHAPES.of(headers)
        if shape is None:
            noted: Iterable[tuple[int, bytes]] = [(_MEANING[header[0]], header[1]) for header in headers]
            lines += [_LINE(header) for header in headers if _MEANING[header[0]] in _KEPT]
        else:
            noted = [(meaning, headers[at][1]) for meaning, at in shape.noted]
            lines += map(_LINE, shape.keep(headers))
        length: bytes | None = None
        is_dated = False
        for meaning, value in noted:
            if meaning == _LENGTH:
                if length is not None and length != value:
                    raise BadAnswer("two lengths")
                length = value
            elif meaning == _DATE:
                is_dated = True
            elif meaning == _CONNECTION and b"close" in value.lower():
                self.is_persistent = False
        return length, is_dated

    def _frame(self, length: bytes | None, lines: list[bytes], status: int) -> None:
        if length is not None:
            if not length.isdigit() or len(length) > 18:
                raise BadAnswer("a length that is no number")
            self._left = int(length)
            if status != 204:  # RFC 9110 section 8.6
                lines.append(b"content-length: " + length)
        elif self._is_silent:
            return
        elif self._version == "1.1":
            self._is_chunked = True
            lines.append(_CHUNKED)
        else:
            self.is_persistent = False

    def body(self, data: bytes, *, is_last: bool) -> bytes:
        """A piece of the body as it is written. Raises `BadAnswer` where it is not as long as was said."""
        if self._is_silent:
            return b""
        if self._is_chunked:
            chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
            return chunk + _LAST_CHUNK if is_last else chunk
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0 or (is_last and self._left):
                raise BadAnswer("the body is not as long as its Content-Length says")
        return data


def _joined(lines: list[bytes]) -> bytes:
    data = joined(lines)
    if data is None:
        raise BadAnswer("CR, LF or NUL inside a field")
    return data


def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return b"HTTP/1.1 %d %b" % (status, phrase.encode())


_STATUS_LINES = {status: _status_line(status) for status in range(200, 600)}


def _refuse_status(status: object) -> bytes:
    raise BadAnswer(f"status {status!r}")
