"""Where requests begin and end, and what is told of them: the same however the bytes are cut."""

from __future__ import annotations

from typing import Any

import pytest

from gateway_auth.asgi.types import Scope
from gateway_auth.server.http1.request import MAX_FIELDS, MAX_OVERHEAD_BYTES, BadRequest, RequestReader, Upgraded


class Told:
    """Writes down what it is told: method, path, body, and whether the request was complete."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.bodies: list[bytes] = []
        self.ends = 0

    def on_request(self, scope: Scope) -> None:
        self.scopes.append(scope)
        self.bodies.append(b"")

    def on_body(self, data: bytes) -> None:
        self.bodies[-1] += data

    def on_end(self) -> None:
        self.ends += 1

    def seen(self) -> list[tuple[str, bytes, bytes, bytes]]:
        return [
            (scope["method"], scope["raw_path"], scope["query_string"], body)
            for scope, body in zip(self.scopes, self.bodies, strict=True)
        ]


def read(*pieces: bytes) -> tuple[Told, RequestReader]:
    told = Told()
    facts: dict[str, Any] = {"type": "http", "scheme": "http"}
    reader = RequestReader(told, facts)
    for piece in pieces:
        reader.feed(piece)
    return told, reader


STREAM = (
    b"GET /a?b=c HTTP/1.1\r\nHost: h\r\nX-Twice: 1\r\nx-twice:\t2 \r\n\r\n"
    b"POST /b HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello"
    b"POST /c HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\ntrailer: t\r\n\r\n"
    b"POST /d HTTP/1.1\r\nhost: h\r\nconnection: Upgrade\r\nupgrade: h2c\r\ncontent-length: 3\r\n\r\nxyz"
    b"GET /e HTTP/1.1\r\nhost: h\r\n\r\n"
)
SEEN = [
    ("GET", b"/a", b"b=c", b""),
    ("POST", b"/b", b"", b"hello"),
    ("POST", b"/c", b"", b"abc"),
    ("POST", b"/d", b"", b"xyz"),
    ("GET", b"/e", b"", b""),
]


def test_requests_one_after_the_other() -> None:
    told, reader = read(STREAM)
    assert told.seen() == SEEN
    assert told.ends == len(SEEN)
    assert told.scopes[0]["headers"] == [(b"host", b"h"), (b"x-twice", b"1"), (b"x-twice", b"2")]
    assert all(b"trailer" not in dict(scope["headers"]) for scope in told.scopes)
    assert reader.is_between
    assert reader.is_persistent


@pytest.mark.parametrize("cut", range(1, len(STREAM)))
def test_cut_in_two_anywhere(cut: int) -> None:
    told, _ = read(STREAM[:cut], STREAM[cut:])
    assert told.seen() == SEEN


def test_byte_by_byte() -> None:
    told, _ = read(*(STREAM[at : at + 1] for at in range(len(STREAM))))
    assert told.seen() == SEEN
    assert told.ends == len(SEEN)


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /x\r\n",
        b"GET /x\r\n\r\n",
        b"GET /x#y HTTP/1.1\r\nhost: h\r\n\r\n",
        b"GET /x HTTP/2.0\r\nhost: h\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /x HTTP/1.1\nhost: h\n\n",
        b"GET x HTTP/1.1\r\nhost: h\r\n\r\n",
        b"GET http://other/x HTTP/1.1\r\nhost: h\r\n\r\n",
        b"GET http://h/x HTTP/1.1\r\nhost: h\r\nhost: h\r\n\r\n",
        b"GET ftp://h/x HTTP/1.1\r\nhost: h\r\n\r\n",
        b"CONNECT h:1 HTTP/1.1\r\nhost: h\r\n\r\n",
        b"get /x HTTP/1.1\r\nhost: h\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\nhost: h\r\n\r\n",
        b"GET /x HTTP/1.1\r\nhost : h\r\n\r\n",
        b"GET /x HTTP/1.1\r\nhost: h\r\n folded\r\n\r\n",
        b"GET /x HTTP/1.1\r\nhost: a\x00b\r\n\r\n",
        b"POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /x HTTP/1.0\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /x HTTP/1.1\r\n" + b"a:\r\n" * (MAX_FIELDS + 1) + b"\r\n",
        b"POST /x HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    ],
)
@pytest.mark.parametrize("is_cut", [False, True])
def test_what_is_no_request(raw: bytes, is_cut: bool) -> None:
    pieces = [raw[at : at + 1] for at in range(len(raw))] if is_cut else [raw]
    with pytest.raises(BadRequest):
        read(*pieces)


def test_an_absolute_target_of_the_host_is_its_path() -> None:
    told, _ = read(b"GET HTTP://H:80/x?y HTTP/1.1\r\nhost: h:80\r\n\r\nGET http://h HTTP/1.1\r\nhost: h\r\n\r\n")
    assert told.seen() == [("GET", b"/x", b"y", b""), ("GET", b"/", b"", b"")]


def test_the_path_is_decoded_beside_the_raw_one() -> None:
    told, _ = read(b"GET /a%20%C3%A9 HTTP/1.1\r\nhost: h\r\n\r\n")
    assert (told.scopes[0]["path"], told.scopes[0]["raw_path"]) == ("/a é", b"/a%20%C3%A9")


@pytest.mark.parametrize(
    ("raw", "is_persistent"),
    [
        (b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\nGET /2 HTTP/1.1\r\nhost: h\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", True),
    ],
)
def test_what_comes_behind_the_last_request_is_nobodys(raw: bytes, is_persistent: bool) -> None:
    told, reader = read(raw)
    assert len(told.scopes) == 1
    assert reader.is_persistent == is_persistent


def test_cut_in_three_anywhere() -> None:
    """The middle piece ends one head and begins another."""
    for cut in range(0, len(STREAM), 7):
        told, _ = read(STREAM[:cut], STREAM[cut : cut + 40], STREAM[cut + 40 :])
        assert told.seen() == SEEN


def test_a_body_behind_an_upgrade_is_held_to_the_same_framing() -> None:
    for coding in (b"gzip", b"xchunked", b"identity"):
        with pytest.raises(BadRequest):
            read(
                b"POST / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: h2c\r\ntransfer-encoding: %b\r\n\r\n"
                % coding
            )


def test_in_http_1_0_nobody_waits_to_be_told_to_go_on() -> None:
    _, reader = read(b"POST / HTTP/1.0\r\ncontent-length: 1\r\nexpect: 100-continue\r\n\r\n")
    assert not reader.is_waited_for


@pytest.mark.parametrize("value", [b"100-continue", b"100-Continue "])
def test_a_body_that_is_held_back(value: bytes) -> None:
    _, reader = read(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\nexpect: %b\r\n\r\n" % value)
    assert reader.is_waited_for
    assert reader.is_in_body


def test_a_handshake_is_told_with_what_came_behind() -> None:
    raw = b"GET /ws HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: WebSocket\r\n\r\n"
    with pytest.raises(Upgraded) as upgraded:
        read(raw + b"frames")
    assert upgraded.value.rest == b"frames"


@pytest.mark.parametrize(
    "raw",
    [
        b"POST / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.0\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-length: 2\r\n\r\nab",
        b"GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["method", "version", "length", "chunks"],
)
def test_what_is_no_handshake_is_a_usual_request(raw: bytes) -> None:
    told, reader = read(raw)
    assert (len(told.scopes), told.ends, reader.is_between) == (1, 1, True)


def test_the_target_of_a_handshake_is_a_path() -> None:
    reader = RequestReader(Told(), {})
    with pytest.raises(Upgraded):
        reader.feed(b"GET http://h/ws?a HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
    assert reader.target == b"/ws?a"


FIELDS = b"x: y\r\n" * (MAX_OVERHEAD_BYTES // 6 + 1)
CHUNKED = b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "endless",
    [
        b"GET /" + b"a" * MAX_OVERHEAD_BYTES + b" HTTP/1.1\r\nhost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: h\r\n" + FIELDS + b"\r\n",
        CHUNKED + b"1;" + b"x" * 3 * MAX_OVERHEAD_BYTES,
        CHUNKED + b"0\r\n" + 3 * FIELDS,
    ],
    ids=["target", "fields", "chunk extension", "trailers"],
)
@pytest.mark.parametrize("size", [1000, 65_536])
def test_what_does_not_end_is_refused(endless: bytes, size: int) -> None:
    with pytest.raises(BadRequest):
        read(*(endless[at : at + size] for at in range(0, len(endless), size)))
