"""The searcher itself: were it blind, finding nothing would prove nothing."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from tests.leaks.search import PART, find

SECRET = "tTd46kfP3GHMvfnVwCGMBeQNzqZ8Rr0aBcDeFg"
RAW = SECRET.encode()


@pytest.mark.parametrize(
    "hidden",
    [
        RAW,
        RAW[:PART],
        RAW[-PART:],
        RAW[::-1],
        SECRET.encode("utf-16-le"),
        RAW.hex().encode(),
        RAW.hex().upper().encode(),
        base64.b64encode(RAW),
        base64.b64encode(b"x" + RAW),
        base64.b64encode(b"xy" + RAW),
        base64.urlsafe_b64encode(b"\xff\xff\xff" + RAW + b"?"),
        "".join(f"%{byte:02X}" for byte in RAW).encode(),
        "".join(f"\\x{byte:02x}" for byte in RAW).encode(),
        "".join(f"\\u{byte:04x}" for byte in RAW).encode(),
    ],
)
def test_every_spelling_is_found(hidden: bytes) -> None:
    assert find(b"before " + hidden + b" after", {"it": SECRET})


def test_a_pepper_with_other_characters_is_found_quoted() -> None:
    secret = "a+b/c=d&e f" * 4
    assert find(quote(secret, safe="").encode(), {"it": secret})


def test_what_is_not_there_is_not_found() -> None:
    others = (SECRET[1:PART], SECRET.swapcase(), "0" * 200, base64.b64encode(b"n" + RAW[: PART - 5]).decode())
    assert find("\n".join(others).encode(), {"it": SECRET}) == []
