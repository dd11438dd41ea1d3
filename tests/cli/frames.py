"""HTTP/2 as bytes, for what no well-behaved client sends (RFC 9113): frames, and header blocks without compression."""

from __future__ import annotations

import struct

DATA, HEADERS, RESET, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
END_STREAM_AND_HEADERS = 0x05
CANCEL = struct.pack(">I", 8)

REQUEST = {b":method": b"GET", b":path": b"/", b":scheme": b"https", b":authority": b"localhost"}


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def opening() -> bytes:
    """What a client begins with."""
    return PREFACE + frame(SETTINGS, 0, 0)


def request(stream: int, *more: tuple[bytes, bytes]) -> bytes:
    """A request without a body, with more fields, each shorter than 127 bytes."""
    fields = (*REQUEST.items(), *more)
    block = b"".join(b"\0%c%b%c%b" % (len(name), name, len(value), value) for name, value in fields)
    return frame(HEADERS, END_STREAM_AND_HEADERS, stream, block)


def reset(stream: int) -> bytes:
    """Take a request back."""
    return frame(RESET, 0, stream, CANCEL)


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """(kind, payload) of every whole frame."""
    found = []
    while len(data) >= 9 and len(data) >= 9 + (size := int.from_bytes(data[:3], "big")):
        found.append((data[3], data[9 : 9 + size]))
        data = data[9 + size :]
    return found
