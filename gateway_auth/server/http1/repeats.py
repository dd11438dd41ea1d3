"""Recognises a request whose head is that of the one before it but for the request line. Knows no socket.

Most clients send the same fields again and again. What they are was read by llhttp, once; after a request line that can
be read in one way alone, the same bytes mean the same again. All else is llhttp's.
"""

from __future__ import annotations

import re
from typing import Any

from gateway_auth.asgi.fields import Fields
from gateway_auth.asgi.types import Header

MAX_BLOCK_BYTES = 2_048
"""Of fields that are remembered, for each connection."""
MAX_MISSES = 8
"""Requests in a row that repeat nothing, after which a connection is not looked at any more."""

# Methods that bring no body and change no protocol; not OPTIONS, where the same fields may mean a preflight. `%` and
# what browsers would encode is left to the longer way.
_PLAIN = rb"A-Za-z0-9._~!$&'()*+,;=:@/"
_LINE = re.compile(rb"(GET|HEAD|DELETE) (/[" + _PLAIN + rb"-]*)(?:\?([" + _PLAIN + rb"?%-]*))? HTTP/1\.1\r\n")
_END = b"\r\n\r\n"


class Repeats:
    """What one connection said last."""

    __slots__ = ("_block", "_fields", "_misses", "_said", "_told")

    def __init__(self) -> None:
        self._said = self._block = b""
        self._fields = Fields()
        self._told: dict[str, Any] = {}
        self._misses = 0

    def forget(self) -> None:
        """What was said last, and that it differed from what was said before."""
        self._keep(b"", [])
        self._misses = 0

    def recognise(self, data: bytes) -> dict[str, Any] | None:
        """What the scope has of this request, if it is a whole one and repeats the fields of the one before.

        Not to be changed: a next request that is the same to the last byte gets the same.
        """
        if data == self._said and data:
            return self._told
        block = self._block
        if not block or not data.endswith(block):
            return None
        line = _LINE.fullmatch(data, 0, len(data) - len(block))
        if line is None:
            return None
        self._misses = 0
        method, path, query = line.groups(b"")
        told = {
            "http_version": "1.1",
            "method": method.decode("ascii"),
            "path": path.decode("ascii"),
            "raw_path": path,
            "query_string": query,
            "headers": self._fields,
        }
        if not query:  # which may hold what should not stay
            self._said, self._told = data, told
        return told

    def learn(self, data: bytes, headers: list[Header]) -> None:
        """`data` was read as exactly one request, without body, of these fields, none of which says how to read on."""
        if self._misses >= MAX_MISSES:
            return
        self._misses += 1
        end = data.find(b"\r\n") + 2
        is_plain = data.endswith(_END) and len(data) - end <= MAX_BLOCK_BYTES and _LINE.fullmatch(data, 0, end)
        self._keep(data[end:] if is_plain and self._misses < MAX_MISSES else b"", headers)

    def _keep(self, block: bytes, headers: list[Header]) -> None:
        self._said, self._told = b"", {}
        self._block = block
        self._fields = Fields(headers if block else ())
        self._fields.notes = {}
