"""Decides from a client's bytes where its requests begin and end, and what an app is told of each.

Knows no socket. Strict, because what is read in two ways is a way around a rule (RFC 9112 section 11.2): llhttp refuses
malformed lines, repeated lengths and a length beside Transfer-Encoding; the rest is refused here.
"""

from __future__ import annotations

import re
from operator import itemgetter
from typing import Any, Protocol
from urllib.parse import unquote

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from gateway_auth.asgi.types import Header, Scope
from gateway_auth.server.http1.repeats import Repeats

MAX_OVERHEAD_BYTES = 65_536
"""Of what brings no body: a head with everything before it, chunk extensions, trailers."""
MAX_FIELDS = 1_024
"""In a head: what is made of a field takes many times the bytes of a short one. Apps may have a lower bound."""

_BLANKS = b" \t"
_NAME = itemgetter(0)
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))
_READ_ON = _FRAMING | {b"expect", b"upgrade"}
"""Fields that say how to read on, or whether."""
_VERSIONS = ("1.1", "1.0")
_ABSOLUTE = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE)


class BadRequest(Exception):
    """What came is no valid request. The text is for the log, `status` for the client."""

    status = 400


class HeadTooLarge(BadRequest):
    """More of a head than is read (RFC 6585 section 5)."""

    status = 431


class Upgraded(Exception):
    """A request to switch to WebSocket is complete. `rest` came behind it."""

    def __init__(self, rest: bytes) -> None:
        super().__init__()
        self.rest = rest


class Told(Protocol):
    """Who is told of requests and their bodies, in order. An exception makes the rest unreadable."""

    def on_request(self, scope: Scope) -> None:
        """A head is complete. Whether a body follows shows only by what comes."""

    def on_body(self, data: bytes) -> None:
        """A piece of the latest request's body, out of its chunk."""

    def on_end(self) -> None:
        """The latest request is complete."""


class RequestReader:
    """Reads the requests of one connection. `facts` are what is the same in the scopes of all of them."""

    __slots__ = (
        "_begun",
        "_facts",
        "_has_websocket",
        "_is_handshake",
        "_is_in_head",
        "_is_plain",
        "_is_read_on",
        "_is_switching",
        "_overhead_bytes",
        "_parser",
        "_repeats",
        "_told",
        "headers",
        "is_in_body",
        "is_persistent",
        "is_waited_for",
        "target",
    )

    def __init__(self, told: Told, facts: dict[str, Any], has_websocket: bool = True) -> None:
        self._told = told
        self._facts = facts
        self._has_websocket = has_websocket
        self._parser = HttpRequestParser(self)
        self._repeats = Repeats()
        self._begun = 0
        self._is_plain = False
        self._overhead_bytes = 0
        self._is_in_head = False
        self._is_handshake = False
        self._is_switching = False
        self._is_read_on = False
        self.target = b""
        self.headers: list[Header] = []
        self.is_in_body = False
        """The head of a request has been read, and its end has not."""
        self.is_persistent = True
        """The client is willing to send another request after the latest one."""
        self.is_waited_for = False
        """The client holds its body back until it is told to go on (RFC 9110 section 10.1.1)."""

    @property
    def is_between(self) -> bool:
        """No byte of a next request has been read."""
        return not (self._is_in_head or self.is_in_body)

    def feed(self, data: bytes) -> None:
        """Take bytes as they came. Raises `BadRequest` and `Upgraded`."""
        is_between = self.is_between and not self._overhead_bytes
        if is_between and self.is_persistent and (again := self._repeats.recognise(data)) is not None:
            # A request as the one before, but for its line: llhttp, which is between two, need not see it.
            self.is_waited_for = False
            self._told.on_request(self._facts | again)
            self._told.on_end()
            return
        self._begun = 0
        self._overhead_bytes += len(data)
        try:
            self._parse(data)
        except HttpParserError as error:
            if self.is_persistent or not self.is_between:
                raise _problem(error) from error
            # What follows the last request of a connection is nobody's (RFC 9112 section 9.6).
        if self._is_in_head and self.target and data.endswith(b"\n") and self._parser.get_http_version()[0] == "0":
            # All of a request of HTTP/0.9, where it is the first of a connection; llhttp would wait for more.
            raise BadRequest("a request line without a version")
        if self._overhead_bytes > MAX_OVERHEAD_BYTES and not self.is_between:
            raise (HeadTooLarge if self._is_in_head else BadRequest)("a head, chunk extension or trailer without end")
        if is_between and self._begun == 1 and self._is_plain and self.is_between:
            self._repeats.learn(data, self.headers)

    def forget(self) -> None:
        """Nobody has asked anything for a while: what was said last, a secret in it, is not kept for the next time."""
        self._repeats.forget()
        if self.is_between:
            self.headers = []

    def release(self) -> None:
        """Nothing more will be fed. Parser and connection hold their reader: with what it remembers they would be left
        to the collector.
        """
        del self._parser, self._told

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._read_on(data[upgrade.args[0] :])

    def _read_on(self, rest: bytes) -> None:
        """Behind a head that asks for another protocol. Only WebSocket is spoken, the rest as if nobody had asked.

        llhttp has stopped there. A body may follow, and another parser is told of its framing alone.
        """
        self._is_switching = False
        if self._is_handshake:
            raise Upgraded(rest)
        framing = [b"%b: %b\r\n" % header for header in self.headers if header[0] in _FRAMING]
        self._parser = HttpRequestParser(self)
        self._is_read_on = True
        self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(framing))
        self._is_read_on = False
        if rest:
            self._overhead_bytes = 0
            self.feed(rest)
            self._is_plain = False  # of what was fed: more than one request

    # What llhttp calls; an exception makes feed_data fail.

    def on_message_begin(self) -> None:
        """The first byte of a request line."""
        if self._is_read_on:
            return
        self._begun += 1
        self._is_plain = False
        self.target = b""
        self._is_in_head = True
        self.headers = []
        self.is_waited_for = False

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        if self._is_in_head:
            self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Also called for trailers, which are dropped: merged, they could replace what was judged."""
        if self._is_in_head:
            headers = self.headers
            headers.append((name.lower(), value.rstrip(_BLANKS)))
            if len(headers) > MAX_FIELDS:
                raise HeadTooLarge("a head of too many fields")

    def on_headers_complete(self) -> None:
        """Tell of the request."""
        if self._is_read_on:
            return
        parser = self._parser
        version = parser.get_http_version()
        if version not in _VERSIONS:
            raise BadRequest("an HTTP version other than 1.1 and 1.0")
        if self._overhead_bytes > MAX_OVERHEAD_BYTES and self._head_bytes() > MAX_OVERHEAD_BYTES:
            raise HeadTooLarge("a head that is too long")
        self._overhead_bytes = 0
        self._is_in_head = False
        self.is_in_body = True
        self.is_persistent = parser.should_keep_alive()
        self._is_switching = parser.should_upgrade()
        says_more = not _READ_ON.isdisjoint(map(_NAME, self.headers))
        if says_more:
            self._read_expectation(version)
        self.target = self._origin_form()
        path, _, query = self.target.partition(b"?")
        text = path.decode("latin-1")
        scope = self._facts.copy()
        scope["http_version"] = version
        scope["method"] = parser.get_method().decode("ascii")
        scope["path"] = unquote(text) if "%" in text else text
        scope["raw_path"] = path
        scope["query_string"] = query
        scope["headers"] = self.headers
        self._is_handshake = (
            self._is_switching
            and self._has_websocket
            and scope["method"] == "GET"
            and version == "1.1"
            and _asks_for_websocket(self.headers)
        )
        if not self._is_handshake:
            self._is_plain = self.is_persistent and not (self._is_switching or says_more)
            self._told.on_request(scope)

    def on_body(self, data: bytes) -> None:
        """A piece of the body, already out of its chunk."""
        self._overhead_bytes = 0
        self._told.on_body(data)

    def on_message_complete(self) -> None:
        """The request is whole, or its head where it asks for another protocol."""
        if not self._is_switching:
            self.is_in_body = False
            self._overhead_bytes = 0
            self._told.on_end()

    def _read_expectation(self, version: str) -> None:
        """What HTTP/1.0 has not: a client that waits (RFC 9110 section 10.1.1), chunks (RFC 9112 section 6.1)."""
        if version == "1.1":
            expectations = [value.lower() for name, value in self.headers if name == b"expect"]
            self.is_waited_for = expectations[-1:] == [b"100-continue"]
        elif any(name == b"transfer-encoding" for name, _ in self.headers):
            raise BadRequest("Transfer-Encoding in HTTP/1.0")

    def _origin_form(self) -> bytes:
        """The target as nearly all clients write it (RFC 9112 section 3.2). `#` never is part of one."""
        target = self.target
        if b"#" in target:
            raise BadRequest("a target with what follows #")
        if target.startswith(b"/") or target == b"*":
            return target
        absolute = _ABSOLUTE.fullmatch(target)
        hosts = [value.lower() for name, value in self.headers if name == b"host"]
        if absolute is None or hosts != [absolute[1].lower()]:
            raise BadRequest("a target that is no path, or of another host than Host names")
        rest: bytes = absolute[2]
        return rest if rest.startswith(b"/") else b"/" + rest

    def _head_bytes(self) -> int:
        return len(self.target) + sum(len(name) + len(value) + 4 for name, value in self.headers)


def _asks_for_websocket(headers: list[Header]) -> bool:
    """A request with a body is none that opens a WebSocket."""
    return any(name == b"upgrade" and value.lower() == b"websocket" for name, value in headers) and not any(
        name in _FRAMING and value != b"0" for name, value in headers
    )


def _problem(error: HttpParserError) -> BadRequest:
    """Ours, where one of our callbacks stopped llhttp."""
    cause = error.__context__
    return cause if isinstance(cause, BadRequest) else BadRequest(str(error))
