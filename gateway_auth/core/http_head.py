"""The lines of a request or response as one head, in which nobody's value can begin a line of its own."""

from __future__ import annotations


def joined(lines: list[bytes]) -> bytes | None:
    """The head up to and with its empty line; None where a line holds CR, LF or NUL (RFC 9110 section 5.5)."""
    data = b"\r\n".join(lines) + b"\r\n\r\n"
    breaks = len(lines) + 1
    is_clean = data.count(b"\n") == breaks and data.count(b"\r") == breaks and b"\0" not in data
    return data if is_clean else None
