"""The bytes of a response: one reading, whatever the app says."""

from __future__ import annotations

from typing import Any

import pytest

from gateway_auth.server.http1.response import BadAnswer, Framing

DATE = b"date: now"


def framing(version: str = "1.1", *, is_to_head: bool = False, is_persistent: bool = True) -> Framing:
    return Framing(version, is_to_head=is_to_head, is_persistent=is_persistent)


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def test_a_body_that_is_known_has_its_length() -> None:
    one = framing()
    head = one.head(start(200, (b"x-a", b"b")), DATE, 2)
    assert head == b"HTTP/1.1 200 OK\r\nx-a: b\r\ndate: now\r\ncontent-length: 2\r\n\r\n"
    assert one.body(b"ab", is_last=True) == b"ab"
    assert one.is_persistent


def test_a_body_in_pieces_is_chunked() -> None:
    one = framing()
    head = one.head(start(200, (b"a", b"1"), (b"b", b"2"), (b"date", b"then")), DATE, None)
    assert head == b"HTTP/1.1 200 OK\r\na: 1\r\nb: 2\r\ndate: then\r\ntransfer-encoding: chunked\r\n\r\n"
    assert one.body(b"", is_last=False) == b""
    assert one.body(b"x" * 16, is_last=False) == b"10\r\n" + b"x" * 16 + b"\r\n"
    assert one.body(b"y", is_last=True) == b"1\r\ny\r\n0\r\n\r\n"


def test_a_client_of_http_1_0_is_told_the_end_by_the_connection() -> None:
    one = framing("1.0")
    assert one.head(start(), DATE, None) == b"HTTP/1.1 200 OK\r\ndate: now\r\nconnection: close\r\n\r\n"
    assert one.body(b"ab", is_last=False) == b"ab"
    assert not one.is_persistent


def test_a_client_of_http_1_0_that_wants_to_go_on_is_told_so() -> None:
    one = framing("1.0")
    assert one.head(start(), DATE, 1).endswith(b"content-length: 1\r\nconnection: keep-alive\r\n\r\n")
    assert one.is_persistent


@pytest.mark.parametrize(("status", "is_told"), [(204, False), (304, True)])
def test_answers_without_a_body(status: int, is_told: bool) -> None:
    one = framing()
    head = one.head(start(status, (b"content-length", b"5")), DATE, None)
    assert (b"content-length: 5" in head) is is_told
    assert b"transfer-encoding" not in head
    assert one.body(b"hello", is_last=True) == b""


def test_the_answer_to_head_has_the_length_and_no_body() -> None:
    one = framing(is_to_head=True)
    assert b"content-length: 5\r\n" in one.head(start(200, (b"content-length", b"5")), DATE, None)
    assert one.body(b"hello", is_last=True) == b""
    assert b"content-length" not in framing(is_to_head=True).head(start(), DATE, 0)


def test_what_belongs_to_the_connection_is_ours() -> None:
    one = framing()
    hop = [
        (b"Connection", b"Close"),
        (b"keep-alive", b"timeout=5"),
        (b"transfer-encoding", b"gzip"),
        (b"upgrade", b"h2c"),
    ]
    head = one.head(start(200, *hop, (b"X-A", b"b")), DATE, 0)
    assert head == b"HTTP/1.1 200 OK\r\nX-A: b\r\ndate: now\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    assert not one.is_persistent


@pytest.mark.parametrize("name", [b"x-a", b"X-A\r\nb"])
@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\nb", b"a\rb", b"a\x00b"])
def test_a_field_cannot_make_another(name: bytes, value: bytes) -> None:
    with pytest.raises(BadAnswer):
        framing().head(start(200, (name, value), (b"x-c", b"d")), DATE, 0)


@pytest.mark.parametrize("status", [0, 99, 101, 199, 600, "200"])
def test_no_final_status(status: Any) -> None:
    with pytest.raises(BadAnswer):
        framing().head(start(status), DATE, 0)


@pytest.mark.parametrize("lengths", [[b"1", b"2"], [b"-1"], [b"1, 1"], [b""], [b"9" * 19]])
def test_no_length(lengths: list[bytes]) -> None:
    with pytest.raises(BadAnswer):
        framing().head(start(200, *((b"content-length", length) for length in lengths)), DATE, None)


def test_a_length_told_twice_alike_is_one() -> None:
    head = framing().head(start(200, (b"content-length", b"1"), (b"Content-Length", b"1")), DATE, None)
    assert head.lower().count(b"content-length") == 1


@pytest.mark.parametrize(("pieces", "is_last"), [((b"abc",), True), ((b"abc", b"de"), False)])
def test_a_body_of_another_length_than_told(pieces: tuple[bytes, ...], is_last: bool) -> None:
    one = framing()
    one.head(start(200, (b"content-length", b"4")), DATE, None)
    with pytest.raises(BadAnswer):
        [one.body(piece, is_last=is_last) for piece in pieces]


@pytest.mark.parametrize("headers", [(), ((b"a", b"1"),), ((b"a", b"1"), (b"b", b"2")), ((b"date", b"d"),)])
def test_fields_one_by_one_or_together_are_the_same(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    """Few fields are read one by one, more in one step."""
    head = framing().head(start(200, *headers), DATE, 0)
    lines = head.split(b"\r\n")[1:-2]
    own = {b": ".join(header) for header in headers} | {b"content-length: 0"}
    assert set(lines) == own | (set() if any(name == b"date" for name, _ in headers) else {DATE})
