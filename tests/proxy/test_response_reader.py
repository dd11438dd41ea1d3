"""Where a response ends, and which responses are none."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.proxy.response import MAX_FIELDS, MAX_OVERHEAD_BYTES, BadResponse, ResponseReader
from tests.proxy.asgi_client import without_via

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def read(*pieces: bytes, is_to_head: bool = False) -> ResponseReader:
    reader = ResponseReader(is_to_head=is_to_head)
    for piece in pieces:
        reader.feed(piece)
    return reader


def test_a_measured_response() -> None:
    reader = read(HEAD + b"Content-Length: 5\r\nX-A: 1\r\n\r\nhello")
    assert (reader.status, reader.is_complete, reader.is_persistent) == (200, True, True)
    assert reader.take() == b"hello"
    assert dict(without_via(reader.headers)) == {b"x-a": b"1", b"content-length": b"5"}


def test_a_chunked_response_loses_its_framing_and_its_trailers() -> None:
    reader = read(CHUNKED + b"3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nSet-Cookie: evil=1\r\nX-B: 2\r\n\r\n")
    assert (reader.take(), without_via(reader.headers), reader.is_complete) == (b"abcde", [], True)


def test_a_body_without_framing_lasts_until_the_upstream_closes() -> None:
    reader = read(HEAD + b"\r\nabc")
    assert not reader.is_complete
    reader.end()
    assert (reader.is_complete, reader.is_persistent, reader.take()) == (True, False, b"abc")


@pytest.mark.parametrize(
    "cut", [HEAD, HEAD + b"Content-Length: 5\r\n\r\nabc", CHUNKED + b"3\r\nabc\r\n", CHUNKED + b"0\r\n"]
)
def test_closing_early_completes_no_framed_response(cut: bytes) -> None:
    reader = read(cut)
    reader.end()
    assert not reader.is_complete


@pytest.mark.parametrize("framing", [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b""])
def test_the_answer_to_head_has_no_body_whatever_it_says(framing: bytes) -> None:
    reader = read(HEAD + framing + b"\r\n", is_to_head=True)
    assert (reader.is_complete, reader.is_persistent, reader.has_surplus) == (True, True, False)
    assert dict(reader.headers).get(b"content-length") == (b"5" if b"Length" in framing else None)


def test_a_body_in_the_answer_to_head_is_surplus() -> None:
    reader = read(HEAD + b"Content-Length: 5\r\n\r\nhello", is_to_head=True)
    assert (reader.is_complete, reader.has_surplus, reader.take()) == (True, True, b"")


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
@pytest.mark.parametrize("framing", [b"", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_204_and_304_have_no_body_and_pass_no_length(status: bytes, framing: bytes) -> None:
    reader = read(b"HTTP/1.1 " + status + b"\r\nETag: x\r\n" + framing + b"\r\n")
    assert (reader.is_complete, reader.is_persistent, without_via(reader.headers)) == (True, True, [(b"etag", b"x")])


def test_interim_responses_and_their_fields_are_dropped() -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nX-A: early\r\n\r\n"
    reader = read(early + early + HEAD + b"Content-Length: 2\r\n\r\nok")
    assert (reader.status, reader.take(), without_via(reader.headers)) == (200, b"ok", [(b"content-length", b"2")])


def test_repeated_fields_keep_their_order() -> None:
    reader = read(HEAD + b"Set-Cookie: a=1\r\nX: y\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n")
    assert [value for name, value in reader.headers if name == b"set-cookie"] == [b"a=1", b"b=2"]


@pytest.mark.parametrize(
    "name", ["Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "TE", "Trailer", "Upgrade", "Connection"]
)
def test_hop_by_hop_fields_stop_here(name: str) -> None:
    reader = read(HEAD + f"{name}: x\r\nContent-Length: 0\r\n\r\n".encode())
    assert [field for field, _ in without_via(reader.headers)] == [b"content-length"]


def test_fields_listed_in_connection_stop_here_but_not_the_length() -> None:
    reader = read(HEAD + b"X-Hop: 1\r\nConnection: x-hop, Content-Length\r\nContent-Length: 2\r\n\r\nok")
    assert without_via(reader.headers) == [(b"content-length", b"2")]


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + b"Connection: close\r\nContent-Length: 0\r\n\r\n",
        HEAD + b"Connection: x, Close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_a_connection_that_ends_is_not_persistent(raw: bytes) -> None:
    assert read(raw).is_persistent is False


@pytest.mark.parametrize(
    "surplus",
    [b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"\0", b"HTTP/1.1 100 Continue\r\n\r\n"],
)
@pytest.mark.parametrize("connection", [b"", b"Connection: close\r\n"])
def test_bytes_behind_a_response_spoil_the_connection_not_the_response(surplus: bytes, connection: bytes) -> None:
    reader = read(HEAD + connection + b"Content-Length: 2\r\n\r\nok" + surplus)
    assert (reader.is_complete, reader.has_surplus, reader.take()) == (True, True, b"ok")


BAD = {
    "length and chunked": HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
    "two equal lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "list of lengths": HEAD + b"Content-Length: 2, 2\r\n\r\nok",
    "signed length": HEAD + b"Content-Length: +2\r\n\r\nok",
    "empty length": HEAD + b"Content-Length: \r\n\r\nok",
    "huge length": HEAD + b"Content-Length: 99999999999999999999999\r\n\r\nok",
    "gzip, chunked": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "gzip": HEAD + b"Transfer-Encoding: gzip\r\n\r\nx",
    "identity": HEAD + b"Transfer-Encoding: identity\r\n\r\nx",
    "chunked twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked in 1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "upgrade": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw",
    "bare 101": b"HTTP/1.1 101 Switching\r\n\r\n",
    "101 after 100": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching\r\n\r\n",
    "100 with a body": b"HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\nabc" + HEAD + b"Content-Length: 0\r\n\r\n",
    "chunk without its end": CHUNKED + b"3\r\nabcXX0\r\n\r\n",
    "chunk with line feeds": CHUNKED + b"3\nabc\n0\n\n",
    "chunk size overflow": CHUNKED + b"fffffffffffffffff\r\nabc",
    "chunk size with blank": CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "length in a trailer": CHUNKED + b"1\r\na\r\n0\r\nContent-Length: 9\r\n\r\n",
    "folded field": HEAD + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "NUL in field": HEAD + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "CR in field": HEAD + b"X: a\rb\r\nContent-Length: 0\r\n\r\n",
    "LF in field": HEAD + b"X: a\nY: b\r\nContent-Length: 0\r\n\r\n",
    "blank before colon": HEAD + b"X : a\r\nContent-Length: 0\r\n\r\n",
    "no field name": HEAD + b": a\r\nContent-Length: 0\r\n\r\n",
    "line feeds alone": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "status 99": b"HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n",
    "status 600": b"HTTP/1.1 600 No\r\nContent-Length: 0\r\n\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    "ICY": b"ICY 200 OK\r\n\r\n",
    "a request": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "no HTTP": b"220 mail.example ESMTP\r\n",
}


@pytest.mark.parametrize("raw", BAD.values(), ids=BAD)
def test_what_is_no_single_valid_response_is_refused(raw: bytes) -> None:
    with pytest.raises(BadResponse):
        read(raw)


@pytest.mark.parametrize("raw", BAD.values(), ids=BAD)
def test_it_is_refused_however_it_is_cut(raw: bytes) -> None:
    with pytest.raises(BadResponse):
        read(*(raw[i : i + 1] for i in range(len(raw))))
    for cut in range(1, len(raw)):
        with pytest.raises(BadResponse):
            read(raw[:cut], raw[cut:])


FLOODS = {
    "one endless field": (HEAD + b"X: ", b"a" * 4096),
    "endless fields": (HEAD, b"X: aaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 64),
    "endless interim responses": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 64),
    "an endless chunk extension": (CHUNKED + b"3;", b"e" * 4096),
    "an endless trailer": (CHUNKED + b"1\r\na\r\n0\r\nX: ", b"a" * 4096),
    "endless blank lines": (b"", b"\r\n" * 2048),
}


@pytest.mark.parametrize(("start", "more"), FLOODS.values(), ids=FLOODS)
def test_what_brings_no_body_is_bounded(start: bytes, more: bytes) -> None:
    with pytest.raises(BadResponse):
        read(start, *[more] * (MAX_OVERHEAD_BYTES // len(more) + 1))


def test_there_may_be_many_fields_and_not_too_many() -> None:
    lines = [b"X-%d: a\r\n" % number for number in range(MAX_FIELDS)]
    assert read(HEAD + b"".join(lines) + b"\r\n").status == 200
    with pytest.raises(BadResponse):
        read(HEAD + b"".join((*lines, b"X: a\r\n")) + b"\r\n")


def test_via_tells_the_protocol_the_response_came_in() -> None:
    reader = read(b"HTTP/1.0 200 OK\r\nVia: 1.1 behind\r\nContent-Length: 0\r\n\r\n")
    assert [value for name, value in reader.headers if name == b"via"] == [b"1.1 behind", b"1.0 gateway-auth"]


def test_many_tiny_chunks_are_no_flood() -> None:
    reader = read(CHUNKED)
    for _ in range(30_000):
        reader.feed(b"1\r\na\r\n")
        reader.take()
    reader.feed(b"0\r\n\r\n")
    assert reader.is_complete


GOOD = (
    b"HTTP/1.1 100 Continue\r\n\r\n"
    + HEAD
    + b"X-A: 1\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a\r\n\r\n"
    + b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nT: 1\r\n\r\n"
)


@given(st.lists(st.integers(1, len(GOOD) - 1), max_size=12))
def test_a_response_reads_the_same_however_it_is_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(set(cuts)), len(GOOD)]
    reader = read(*(GOOD[a:b] for a, b in pairwise(edges)))
    assert (reader.status, reader.is_complete, reader.has_surplus) == (200, True, False)
    assert without_via(reader.headers) == [(b"x-a", b"1"), (b"set-cookie", b"a")]
    assert reader.take() == b"hello world"


@given(st.binary(max_size=200))
def test_noise_never_completes_a_response_that_was_not_sent(noise: bytes) -> None:
    reader = ResponseReader(is_to_head=False)
    try:
        reader.feed(noise)
    except BadResponse:
        return
    assert not reader.is_complete or noise.lstrip(b"\r\n").startswith(b"HTTP/1.")
