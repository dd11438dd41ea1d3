"""Searches bytes for a secret in every spelling something might have given it: whole, cut, encoded."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from urllib.parse import quote

PART = 20
"""Characters of a secret that are enough to call it leaked; a cut line may hold its beginning or its end alone."""


def parts(secret: str) -> set[str]:
    """The beginning and the end of a secret."""
    assert len(secret) >= PART
    return {secret[:PART], secret[-PART:]}


def spellings(text: str) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of each spelling of a part. Hexadecimal stands in lower case: so does what is searched for it."""
    raw = text.encode()
    yield "text", raw
    yield "reversed", raw[::-1]
    yield "utf-16", text.encode("utf-16-le")
    yield "hex", raw.hex().encode()
    yield "percent-encoded", "".join(f"%{byte:02x}" for byte in raw).encode()
    yield "escaped", "".join(f"\\x{byte:02x}" for byte in raw).encode()
    yield "escaped as JSON", "".join(f"\\u{byte:04x}" for byte in raw).encode()
    if quote(text, safe="") != text:
        yield "quoted", quote(text, safe="").lower().encode()
    for shift in range(3):
        # Where a group of three begins depends on what stands before; what depends on neighbours is left out.
        encoded = base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 :].rstrip(b"=")[:-1]
        yield f"base64 at {shift}", encoded
        yield f"base64url at {shift}", encoded.replace(b"+", b"-").replace(b"/", b"_")


def find(data: bytes, secrets: Mapping[str, str]) -> list[str]:
    """`name: spelling` of every secret that is in `data`."""
    lowered = data.lower()
    return sorted(
        f"{name}: {spelling}"
        for name, secret in secrets.items()
        for part in parts(secret)
        for spelling, wanted in spellings(part)
        if wanted in data or (spelling not in ("text", "reversed") and _is_hex(spelling) and wanted in lowered)
    )


def _is_hex(spelling: str) -> bool:
    return spelling.startswith(("hex", "percent", "escaped", "quoted"))
