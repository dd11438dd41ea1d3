"""No line of a head can hold another, whatever stands in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.http_head import joined

ANY_LINES = st.lists(st.binary(max_size=12), min_size=1, max_size=6)


def test_lines_and_the_empty_one_behind_them() -> None:
    assert joined([b"HTTP/1.1 200 OK", b"a: 1", b"b:\x80\xff"]) == b"HTTP/1.1 200 OK\r\na: 1\r\nb:\x80\xff\r\n\r\n"


@pytest.mark.parametrize("byte", [b"\r", b"\n", b"\0", b"\r\n"])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_byte_that_could_end_a_line_is_in_none(byte: bytes, at: int) -> None:
    lines = [b"one", b"two", b"three"]
    for line in (byte, byte + lines[at], lines[at] + byte, b"a" + byte + b"b"):
        assert joined([*lines[:at], line, *lines[at + 1 :]]) is None


@given(ANY_LINES)
def test_what_is_joined_is_read_as_the_same_lines(lines: list[bytes]) -> None:
    data = joined(lines)
    if data is None:
        assert any(set(line) & set(b"\r\n\0") for line in lines)
    else:
        assert data.split(b"\r\n") == [*lines, b"", b""]
        assert data.count(b"\r") == data.count(b"\n") == len(lines) + 1
