"""The lines of a request or response as one head, in which nobody's value can begin a line of its own."""

from __future__ import annotations

_CR, _LF, _NUL = b"\r\n\0"


def joined(lines: list[bytes]) -> bytes | None:
    """The head up to and with its empty line; None where a line holds CR, LF or NUL (RFC 9110 section 5.5)."""
    text = b"".join(lines)
    # By number: looking for a byte as bytes tries first whether it is a number, by an exception inside of CPython.
    if _CR in text or _LF in text or _NUL in text:
        return None
    return b"\r\n".join(lines) + b"\r\n\r\n"
