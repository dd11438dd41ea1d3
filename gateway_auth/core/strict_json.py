"""A JSON object or array from untrusted bytes, or nothing: what could be read in two ways is refused. It never raises.

Refused beyond what RFC 8259 refuses (RFC 7493 and RFC 8725 section 3.7 say why):

* anything but UTF-8, a byte order mark, and strings with half a surrogate pair, which no header or log can hold;
* one member twice, at any depth and however it is spelled: parsers keep the first or the last;
* `NaN`, `Infinity` and numbers that become infinite (`1e400`), or take long to read (integers of 4,300 digits);
* more than 16 levels, counted before anything is parsed so that no parser has to recurse;
* any value but an object, or an array where one is asked for.

Integers beyond 2^53 stay what they are, as numbers of 64 bits are common in claims; who computes with one bounds it.
"""

from __future__ import annotations

import json
import re
from math import isfinite

from msgspec.json import Decoder, Encoder

MAX_DEPTH = 16
_BLANKS = " \t\n\r"

# Without escapes, a string ends at the next quote. Both patterns look at each byte once, whatever is sent. In one they
# would be a possessive group, which matches what it should not before Python 3.11.5.
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_STRING = re.compile(rb'"[^"]*+"?')
_TO_SQUARE = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)).difference(b"[]{}"))
_MAY_BE_SURROGATE = re.compile(rb"\\u[dD]").search

# Numbers are made by Python: msgspec 0.21 takes 14 µs for one `1e308`, and a forged token holds a thousand of them.
_decoder = Decoder(float_hook=float)
_decode_fast = _decoder.decode
_encode = Encoder().encode


def parse_object(data: bytes) -> dict[str, object] | None:
    """The object `data` spells, or None."""
    value = _parse(data)
    return value if isinstance(value, dict) else None


def parse_array(data: bytes) -> list[object] | None:
    """The array `data` spells, as strictly, or None."""
    value = _parse(data)
    return value if isinstance(value, list) else None


def _parse(data: bytes) -> object:
    """What `data` spells; None for what must be refused."""
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and not _is_shallow(data):
        return None
    # Most issuers write what the encoder here writes. Where encoding what was decoded gives back every byte, nothing
    # was dropped, doubled or spelled in a second way, and the dearer check of each member can be saved.
    try:
        value: object = _decode_fast(data)
        if _encode(value) != data:
            value = _parse_slowly(data)
    except ValueError:
        value = _parse_slowly(data)
    return value


def _parse_slowly(data: bytes) -> object:
    """What `data` spells in whatever form; None for what must be refused."""
    try:
        text = data.decode("utf-8").strip(_BLANKS)
        value, end = _decode(text)
        if _MAY_BE_SURROGATE(data):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except ValueError:
        return None
    return value if end == len(text) else None


def _is_shallow(data: bytes) -> bool:
    """Whether brackets close and stand no deeper inside each other than allowed, those in strings left out.

    Each turn takes away the innermost pairs, and with them one level.
    """
    brackets = _STRING.sub(b"", _ESCAPE.sub(b"", data)).translate(_TO_SQUARE, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"")
    return not brackets


def _object(members: list[tuple[str, object]]) -> dict[str, object]:
    parsed = dict(members)
    if len(parsed) != len(members):
        raise ValueError("a member stands there twice")
    return parsed


def _float(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError("a number beyond every bound")
    return number


def _constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_constant).raw_decode
