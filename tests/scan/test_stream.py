"""Streams: keys are found at their line and column wherever the pieces break, in bounded memory."""

from __future__ import annotations

import io
import tracemalloc

import pytest

from gateway_auth.scan.findings import Finding, Place
from gateway_auth.scan.stream import MARGIN_BYTES, PIECE_BYTES, search
from tests.scan.secrets import FINDER, key, look_alike

PLACE = Place("file")


def sought(data: bytes) -> list[Finding]:
    return list(search(io.BytesIO(data).read, FINDER, PLACE))


def places(data: bytes) -> list[tuple[int, int, str]]:
    return [(finding.line, finding.column, finding.leak.id) for finding in sought(data)]


def test_an_empty_stream_holds_nothing() -> None:
    assert sought(b"") == []


def test_lines_and_columns_count_from_one() -> None:
    text = f"{key(1).text}\n\n  {key(2).text} {key(3).text}\r\n{key(4).text}"
    second = 3 + len(key(2).text) + 1
    expected = [(1, 1, key(1)), (3, 3, key(2)), (3, second, key(3)), (4, 1, key(4))]
    assert places(text.encode()) == [(line, column, minted.key_id) for line, column, minted in expected]


@pytest.mark.parametrize("shift", [*range(-80, 3), -MARGIN_BYTES, -MARGIN_BYTES + 1, MARGIN_BYTES - 80, MARGIN_BYTES])
@pytest.mark.parametrize("pieces", [1, 2])
def test_a_key_across_the_border_of_two_pieces_is_found_once(shift: int, pieces: int) -> None:
    before = PIECE_BYTES * pieces + shift
    data = b"\n" * 10 + b"." * (before - 10) + key().text.encode() + b"\n" * 5000
    assert places(data) == [(11, before - 9, key().key_id)]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_stream_that_comes_in_small_pieces_is_read_whole(size: int) -> None:
    data = f"a\n{key(1).text} {key(2).text}\n".encode() * 3
    stream = io.BytesIO(data)
    found = list(search(lambda _: stream.read(size), FINDER, PLACE))
    assert [(f.line, f.column, f.leak.id) for f in found] == places(data)


def test_lines_are_counted_through_many_pieces() -> None:
    line = b"x" * 99 + b"\n"
    data = line * (4 * PIECE_BYTES // 100) + b"   " + key().text.encode()
    assert places(data) == [(4 * PIECE_BYTES // 100 + 1, 4, key().key_id)]


def test_columns_of_utf_16_count_characters() -> None:
    assert places(f"ab\ncd {key().text}".encode("utf-16-le"))[0][1] == 4


@pytest.mark.parametrize(
    ("text", "is_allowed"),
    [
        ("{key}  # gateway-auth:allow", True),
        ("/* gateway-auth:allow */ {key}", True),
        ("{key}\n# gateway-auth:allow", False),
        ("# gateway-auth:allow\n{key}", False),
        ("{key} # gateway-auth: allow", False),
        ("{key}" + " " * 2000 + "gateway-auth:allow", False),
    ],
)
def test_a_marker_allows_the_secrets_of_its_line(text: str, is_allowed: bool) -> None:
    for data in (text.format(key=key().text).encode(), text.format(key=key().text).encode("utf-16-le")):
        (finding,) = sought(data)
        assert finding.is_allowed is is_allowed


@pytest.mark.parametrize("shift", [-90, -40, 0])
def test_a_marker_in_the_next_piece_is_seen(shift: int) -> None:
    data = b"." * (PIECE_BYTES + shift) + key().text.encode() + b" gateway-auth:allow\n"
    assert [finding.is_allowed for finding in sought(data)] == [True]


def test_one_endless_line_takes_bounded_memory() -> None:
    left = 64 * PIECE_BYTES
    block = b"gwk_live_" * (PIECE_BYTES // 9)

    def read(size: int) -> bytes:
        nonlocal left
        left -= size
        return block if left >= 0 else b""

    tracemalloc.start()
    try:
        assert list(search(read, FINDER, PLACE)) == []
        assert tracemalloc.get_traced_memory()[1] < 8 * PIECE_BYTES
    finally:
        tracemalloc.stop()


def test_many_look_alikes_are_no_alarm_and_hide_no_key() -> None:
    data = "".join(look_alike(number) for number in range(20_000)) + key().text
    assert [leak_id for _, _, leak_id in places(data.encode())] == [key().key_id]
