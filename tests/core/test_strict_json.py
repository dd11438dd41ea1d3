"""JSON that two parsers could read differently is no JSON here, and nothing makes the parser raise."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway_auth.core import strict_json
from gateway_auth.core.strict_json import MAX_DEPTH, parse_object

READ = {
    "nothing in it": (b"{}", {}),
    "as encoders write it": (b'{"a":1,"b":[true,null,"x"]}', {"a": 1, "b": [True, None, "x"]}),
    "with blanks": (b' \t\r\n{ "a" :\n1 } \n', {"a": 1}),
    "one name at two places": (b'{"a":{"a":1},"b":{"a":2}}', {"a": {"a": 1}, "b": {"a": 2}}),
    "an escaped name": (b'{"\\u0061":1}', {"a": 1}),
    "beyond ASCII": ('{"ä":"\u2028€😀"}'.encode(), {"ä": "\u2028€😀"}),
    "a surrogate pair": (b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}),
    "an escaped backslash before u": (b'{"a":"\\\\ud800"}', {"a": "\\ud800"}),
    "numbers": (b'{"a":-0.5,"b":1E2,"c":0,"d":-1}', {"a": -0.5, "b": 100.0, "c": 0, "d": -1}),
    "an integer of 64 bits": (b'{"a":18446744073709551615}', {"a": 18446744073709551615}),
    "numbers that are hard to read": (b'{"a":[1e308,5e-324,9e-320,1e23]}', {"a": [1e308, 5e-324, 9e-320, 1e23]}),
    "an integer of 4,000 digits": (b'{"a":' + b"9" * 4000 + b"}", {"a": 10**4000 - 1}),
    "NUL escaped": (b'{"a":"\\u0000"}', {"a": "\0"}),
    "brackets in a string": (b'{"a":"' + b"[{" * 40 + b'"}', {"a": "[{" * 40}),
    "brackets in a string after escaped quotes": (b'{"a":"\\"' + b"[" * 40 + b'\\\\"}', {"a": '"' + "[" * 40 + "\\"}),
    "many brackets side by side": (b'{"a":[' + b"[]," * 40 + b"[]]}", {"a": [[]] * 41}),
}

REFUSED = {
    "nothing": b"",
    "blanks": b"  ",
    "null": b"null",
    "an array": b"[1]",
    "a number": b"1",
    "a string": b'"a"',
    "text": b"foo",
    "cut off": b'{"a":1',
    "more behind": b'{"a":1}{}',
    "a comma too many": b'{"a":1,}',
    "a comment": b'{/**/"a":1}',
    "single quotes": b"{'a':1}",
    "another blank": b'\x0b{"a":1}',
    "a blank of Unicode": '\u00a0{"a":1}'.encode(),
    "a byte order mark": b'\xef\xbb\xbf{"a":1}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "UTF-16 without a mark": '{"a":1}'.encode("utf-16-le"),
    "UTF-32": '{"a":1}'.encode("utf-32"),
    "bad UTF-8": b'{"a":"\xff"}',
    "an overlong spelling": b'{"a":"\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "a member twice": b'{"a":1,"a":1}',
    "a member twice, once escaped": b'{"a":1,"\\u0061":2}',
    "a member twice, deep inside": b'{"b":[{"c":{"a":1,"a":2}}]}',
    "a member twice, with blanks": b'{ "a" : 1, "a" : 2 }',
    "a member twice, with another between": b'{"a":1,"b":2,"a":1}',
    "the empty member twice": b'{"":1,"":1}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}',
    "-Infinity": b'{"a":-Infinity}',
    "a number beyond every bound": b'{"a":1e400}',
    "and below": b'{"a":-1e400}',
    "a number too long to read": b'{"a":' + b"9" * 5000 + b"}",
    "a leading zero": b'{"a":01}',
    "a plus": b'{"a":+1}',
    "hexadecimal": b'{"a":0x1}',
    "digits of another script": '{"a":\u0661}'.encode(),
    "half a surrogate pair": b'{"a":"\\ud800"}',
    "the other half": b'{"a":"\\uDC00x"}',
    "half a pair in a name": b'{"\\ud800":1}',
    "a pair the wrong way round": b'{"a":"\\udc00\\ud800"}',
    "a raw control character": b'{"a":"\x01"}',
    "a raw newline": b'{"a":"\n"}',
    "one level too many": b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}",
    "objects without end": b'{"a":' * 1000 + b"1" + b"}" * 1000,
    "arrays without end": b'{"a":' + b"[" * 100_000,
    "closed before they are opened": b"]" * 50 + b"[" * 50,
    "a string without end": b'{"a":"' + b'\\"' * 200_000,
    "backslashes without end": b'{"a":"' + b"\\" * 200_001 + b"[" * 20,
}

scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
values = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(texts, values, max_size=4)


@pytest.mark.parametrize(("data", "expected"), READ.values(), ids=READ)
def test_an_object_is_read(data: bytes, expected: dict[str, object]) -> None:
    assert parse_object(data) == expected


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_what_could_be_read_in_two_ways_is_refused(data: bytes) -> None:
    assert parse_object(data) is None


@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")], ids=["arrays", "objects"])
def test_the_deepest_level_allowed_is_read(brackets: tuple[bytes, bytes]) -> None:
    opening, closing = brackets
    inside = MAX_DEPTH - 1
    assert parse_object(b'{"a":' + opening * inside + (b"1" if opening != b"[" else b"") + closing * inside + b"}")
    assert parse_object(b'{"a":' + opening * MAX_DEPTH + closing * MAX_DEPTH + b"}") is None


def test_no_number_is_read_by_msgspec() -> None:
    """It takes 14 µs for `1e308`: an unsigned token of a thousand of them would cost as much as 500 good ones."""
    assert strict_json._decoder.float_hook is float


@given(objects, st.booleans(), st.sampled_from([None, (",", ":"), (" , ", " :\n")]))
def test_every_spelling_of_an_object_gives_that_object(
    value: dict[str, object], is_ascii: bool, separators: tuple[str, str] | None
) -> None:
    data = json.dumps(value, ensure_ascii=is_ascii, separators=separators).encode()
    assert parse_object(data) == value


@given(objects, objects, st.sampled_from([(",", ":"), (", ", ": ")]))
def test_members_that_stand_there_twice_are_never_read(
    first: dict[str, object], second: dict[str, object], separators: tuple[str, str]
) -> None:
    one, other = (json.dumps(part, separators=separators)[1:-1] for part in (first, second))
    data = f"{{{one}{',' if one and other else ''}{other}}}".encode()
    expected = None if first.keys() & second.keys() else {**first, **second}
    assert parse_object(data) == expected


@given(
    st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
    | st.text('{}[]":,\\u0dD81eE.+- ', max_size=60).map(str.encode)
)
@example(b'{"a":1}\x00')
def test_whatever_comes_it_is_an_object_or_nothing(data: bytes) -> None:
    parsed = parse_object(data)
    assert parsed is None or parsed == json.loads(data)
