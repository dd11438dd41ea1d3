"""The one spelling of a request path: used to judge a request AND to forward it.

Two parties that read one path differently are a way around every rule (RFC 3986 section 6 lists the
ways). So a path is either put into its canonical form or refused; nothing is guessed:

* percent-encoded characters that may stand in a path by themselves are decoded, also those RFC 3986 reserves:
  frameworks decode all before they route, so `%3A` and `:` must fall under one rule. Other escapes are upper-cased;
* dot segments, empty segments, encoded slashes, backslashes, control characters, double encoding,
  bytes that are not UTF-8, and segments ending in a dot or a space are ambiguous and refused.

A `;parameter` is part of its segment and never dropped, except that `..;` and `.;` are dot segments to
some servers and therefore refused. One trailing slash is kept: `/a` and `/a/` are different paths.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from gateway_auth.core.malformed import Malformed

MAX_PATH_BYTES = 8192

# A path of plain segments needs no second look. A dot stands alone between other characters here (".well-known" takes
# the slow way), so this pattern alone rules out every dot segment. Words are possessive, what is in groups must not be:
# before Python 3.11.5 a possessive group matches what it should not (https://github.com/python/cpython/issues/106052).
_WORD = rb"[A-Za-z0-9_~!$&'()*+,=:@|\[\]-]++"
# It finds what is not plain, because a pattern that finds nothing makes no match object.
is_unusual = re.compile(rb"(?!/(?:" + _WORD + rb"(?:[./]" + _WORD + rb")*/?)?\Z)").match
_ALLOWED = re.compile(rb"[A-Za-z0-9_~!$&'()*+,=:@|\[\].;/%-]*")
_ESCAPE = re.compile(rb"%(.{0,2})", re.DOTALL)
_DOUBLE_ENCODED = re.compile(r"%25[0-9A-Fa-f]{2}")
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@|[]")
_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")

_TOO_LONG = Malformed("path is longer than 8192 bytes")
_NOT_ABSOLUTE = Malformed("path does not begin with a slash")
_BAD_CHARACTER = Malformed("path contains a character that must be percent-encoded")
_BAD_ESCAPE = Malformed("path contains an incomplete percent-encoding")
_AMBIGUOUS_ESCAPE = Malformed("path contains an encoded slash, backslash or control character, or is encoded twice")
_NOT_UTF8 = Malformed("path is not UTF-8")
_EMPTY_SEGMENT = Malformed("path contains an empty segment")
_DOT_SEGMENT = Malformed("path contains a dot segment")
_TRAILING = Malformed("path contains a segment that ends with a dot or a space")


def canonical_path(raw: bytes) -> str | Malformed:
    """The canonical form of `raw` (bytes as received, without the query), or why it is refused."""
    if len(raw) > MAX_PATH_BYTES:
        return _TOO_LONG
    if not is_unusual(raw):
        return raw.decode("ascii")
    return _canonical_slowly(raw)


def canonical_decoded_path(path: str) -> str | Malformed:
    """The canonical form of an already percent-decoded path, as `scope["path"]` of ASGI carries it."""
    try:
        encoded = quote(path, safe="/:@!$&'()*+,;=~|[]-._").encode("ascii")
    except UnicodeEncodeError:  # A lone surrogate stands for a byte that was not UTF-8 (PEP 383).
        return _NOT_UTF8
    return canonical_path(encoded)


def _canonical_slowly(raw: bytes) -> str | Malformed:
    if not raw.startswith(b"/"):
        return _NOT_ABSOLUTE
    if not _ALLOWED.fullmatch(raw):
        return _BAD_CHARACTER
    canonical = _normalise_escapes(raw)
    if isinstance(canonical, Malformed):
        return canonical
    if _DOUBLE_ENCODED.search(canonical):
        return _AMBIGUOUS_ESCAPE
    segments = canonical.split("/")[1:]
    for position, segment in enumerate(segments):
        if not segment:
            if position < len(segments) - 1:
                return _EMPTY_SEGMENT
            continue
        # Some servers drop parameters before they look for dot segments, some drop dots and spaces at the end.
        stem = segment.partition(";")[0]
        if stem in (".", ".."):
            return _DOT_SEGMENT
        if stem.endswith((".", "%20")) or segment.endswith((".", "%20")):
            return _TRAILING
    return canonical


def _normalise_escapes(raw: bytes) -> str | Malformed:
    parts: list[bytes] = []
    end = 0
    escaped = bytearray()
    for match in _ESCAPE.finditer(raw):
        digits = match.group(1)
        if len(digits) != 2 or not _HEX_DIGITS.issuperset(digits):
            return _BAD_ESCAPE
        byte = int(digits, 16)
        # Adjacent escapes may spell one character of several bytes: gathered until the run ends.
        if match.start() != end:
            if not _is_utf8(escaped):
                return _NOT_UTF8
            escaped.clear()
            parts.append(raw[end : match.start()])
        if byte < 0x20 or byte == 0x7F or byte in b"/\\":
            return _AMBIGUOUS_ESCAPE
        escaped.append(byte)
        parts.append(bytes((byte,)) if byte in _PLAIN else b"%%%02X" % byte)
        end = match.end()
    if not _is_utf8(escaped):
        return _NOT_UTF8
    parts.append(raw[end:])
    return b"".join(parts).decode("ascii")


def _is_utf8(data: bytearray) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
