"""Decides from an upstream's bytes where a response begins and ends and which of its fields pass.

Knows no socket. Strict, because what the gateway and a client read differently poisons the next answer (RFC
9112 section 11.1): llhttp refuses malformed lines, repeated lengths and length beside Transfer-Encoding; the
rest is refused here.
"""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway_auth.proxy.fields import CONNECTION, CONTENT_LENGTH, DROP, PSEUDONYM, RESPONSE_FIELDS, listed_names

# Bytes that bring no body: the head with everything before it, chunk extensions, trailers. Each is memory or
# time an upstream could take without end.
MAX_OVERHEAD_BYTES = 65_536
MAX_FIELDS = 200

Field = tuple[bytes, bytes]

# RFC 9110 section 7.6.3: the protocol is the one the response was received in.
_VIA_1_1 = (b"via", b"1.1 " + PSEUDONYM)
_VIA_1_0 = (b"via", b"1.0 " + PSEUDONYM)
_BODILESS = (204, 304)


class BadResponse(Exception):
    """What came is no single valid final response."""


class ResponseReader:
    """Reads one final response to one request. Interim responses and trailers are dropped."""

    # What is the same for all responses as they begin is the class's, and costs none of them anything.
    _overhead_bytes = 0
    _until_close = False
    _chunks: list[bytes] | None = None
    _connection: list[bytes] | None = None
    _transfer_codings: list[bytes] | None = None
    _content_length: bytes | None = None
    buffered_bytes = 0
    status = 0
    """0 until the head of the final response is complete."""
    is_complete = False
    is_persistent = False
    """The upstream is willing to answer another request on this connection."""
    has_surplus = False
    """Bytes followed the response: whoever they are meant for, the connection is spoiled (attack P12)."""
    headers: list[Field]

    def __init__(self, *, is_to_head: bool) -> None:
        self._is_to_head = is_to_head
        # A parser of its own for each response costs a third of a microsecond and carries nothing over.
        self._parser = HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take bytes as they came. Raises `BadResponse`."""
        self._overhead_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self.is_complete:
                raise BadResponse(_reason(error)) from error
            self.has_surplus = True
        if self._overhead_bytes > MAX_OVERHEAD_BYTES and not self.is_complete:
            raise BadResponse("a head, chunk extension or trailer that does not end")

    def end(self) -> None:
        """The upstream closed in an orderly way; only a body without framing is complete by that."""
        if self.status and self._until_close:
            self.is_complete = True

    def take(self) -> bytes:
        """The body bytes read since the last call."""
        chunks = self._chunks
        if not chunks:
            return b""
        self._chunks = None
        self.buffered_bytes = 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def release(self) -> None:
        """Nothing more will be fed. The parser holds its reader: together they would be left to the collector."""
        del self._parser

    # What llhttp calls; an exception makes feed_data fail.

    def on_message_begin(self) -> None:
        """A second message is either the final response after an interim one, or surplus."""
        if self.is_complete:
            raise BadResponse("bytes after the response")
        self.headers = []
        self._connection = self._transfer_codings = self._content_length = None

    def on_header(self, name: bytes, value: bytes) -> None:
        """Also called for trailers, which are dropped.

        Merged, they could replace what was judged (RFC 9110 6.5.1).
        """
        if self.status:
            return
        name = name.lower()
        meaning = RESPONSE_FIELDS.get(name)
        if meaning is None:
            self.headers.append((name, value))
        elif meaning == CONTENT_LENGTH:
            self._content_length = value
        elif meaning == CONNECTION:
            self._connection = [*(self._connection or ()), value]
        elif meaning != DROP:
            self._transfer_codings = [*(self._transfer_codings or ()), value]

    def on_headers_complete(self) -> None:
        """Accept the head, or drop it when it is an interim one."""
        status = self._parser.get_status_code()
        if status < 200:
            # A switch of protocols nobody asked for would turn the connection into a tunnel (attack P10).
            if status < 100 or status == 101:
                raise BadResponse(f"status {status}")
            return
        if status > 599:
            raise BadResponse(f"status {status}")
        if len(self.headers) > MAX_FIELDS:
            raise BadResponse(f"more than {MAX_FIELDS} fields")
        self._accept_framing(status)
        self._overhead_bytes = 0
        self.status = status
        if self._is_to_head:
            # Its length describes the body a GET would have had (RFC 9112 section 6.3): llhttp must not wait
            # for it.
            self.is_complete = True

    def on_body(self, data: bytes) -> None:
        """A piece of the body, already out of its chunk."""
        if self.is_complete:
            raise BadResponse("a body where there must be none")
        self._overhead_bytes = 0
        if self._chunks is None:
            self._chunks = [data]
        else:
            self._chunks.append(data)
        self.buffered_bytes += len(data)

    def on_message_complete(self) -> None:
        """Also called for interim responses, whose status is not kept."""
        if self.status:
            self.is_complete = True

    def _accept_framing(self, status: int) -> None:
        version = self._parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise BadResponse("an HTTP version other than 1.1 and 1.0")
        length, codings = self._content_length, self._transfer_codings
        has_body = not self._is_to_head and status not in _BODILESS
        if has_body and length is not None and version == "1.1" and codings is None and self._connection is None:
            # Nearly all of them.
            self.is_persistent = True
            self.headers += (_VIA_1_1, (b"content-length", length))
            return
        if codings and (version == "1.0" or len(codings) > 1 or codings[0].strip(b" \t").lower() != b"chunked"):
            raise BadResponse("a Transfer-Encoding that nobody asked for")
        self._until_close = has_body and not codings and length is None
        self.is_persistent = version == "1.1" and not self._until_close
        if self._connection:
            listed = listed_names(self._connection)
            self.is_persistent = self.is_persistent and b"close" not in listed
            self.headers = [field for field in self.headers if field[0] not in listed]
        self.headers.append(_VIA_1_1 if version == "1.1" else _VIA_1_0)
        # A length on 204 or 304 makes servers wait for a body that must not come (RFC 9110 section 8.6).
        if length is not None and status not in _BODILESS:
            self.headers.append((b"content-length", length))


def _reason(error: HttpParserError | HttpParserUpgrade) -> str:
    cause = error.__context__
    if isinstance(cause, BadResponse):
        return str(cause)
    return "an upgrade that nobody asked for" if isinstance(error, HttpParserUpgrade) else str(error)
