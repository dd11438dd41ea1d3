"""One spelling per path, or none: what is judged is what any server behind will understand."""

from __future__ import annotations

import time
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway_auth.core.malformed import Malformed
from gateway_auth.core.path import MAX_PATH_BYTES, canonical_decoded_path, canonical_path

SAME = [
    "/", "/a", "/a/", "/api/items/1", "/a.b/c-d_e~f", "/v1/orders:cancel", "/@me", "/a;x=1/b", "/a=b&c",
    "/!$&'()*+,=:@|[]", "/.well-known/jwks.json", "/...a", "/..a/b", "/a..b", "/a%20b", "/caf%C3%A9", "/%F0%9F%98%80",
    "/%EF%BC%8F", "/100%25", "/a%25", "/;x", "/%22",
]  # fmt: skip

REWRITTEN = {
    "/%61dmin": "/admin",
    "/%7Euser": "/~user",
    "/a%2eb": "/a.b",
    "/%2Ewell-known": "/.well-known",
    "/caf%c3%a9": "/caf%C3%A9",
    "/%41%5F%2D%39": "/A_-9",
    "/x%c3%a9%61/%62": "/x%C3%A9a/b",
    "/%25%5A": "/%25Z",
    "/orders%3Apurge": "/orders:purge",
    "/a%3bb%2cc%3D%40%2B": "/a;b,c=@+",
}

AMBIGUOUS = {
    "empty": ("", "begin with a slash"),
    "relative": ("a/b", "begin with a slash"),
    "asterisk-form": ("*", "begin with a slash"),
    "absolute-form": ("http://evil.test/api/admin", "begin with a slash"),
    "authority-form": ("evil.test:80", "begin with a slash"),
    "encoded-first-slash": ("%2fa", "begin with a slash"),
    "double-slash": ("/api//admin/users", "empty segment"),
    "leading-double-slash": ("//api/admin", "empty segment"),
    "trailing-double-slash": ("/a//", "empty segment"),
    "dot": ("/api/./admin", "dot segment"),
    "dot-dot": ("/api/items/../admin", "dot segment"),
    "last-dot": ("/api/.", "dot segment"),
    "last-dot-dot": ("/api/..", "dot segment"),
    "encoded-dot-dot": ("/public/%2e%2e/api", "dot segment"),
    "half-encoded-dot-dot": ("/public/.%2E/api", "dot segment"),
    "encoded-dot": ("/public/%2e/api", "dot segment"),
    "dot-dot-with-parameter": ("/a/..;/users", "dot segment"),
    "dot-with-parameter": ("/a/.;x=1/users", "dot segment"),
    "encoded-dot-dot-with-parameter": ("/a/%2e%2e;x/users", "dot segment"),
    "encoded-slash": ("/api/admin%2fusers", "encoded slash"),
    "encoded-slash-upper": ("/api%2Fadmin", "encoded slash"),
    "encoded-backslash": ("/api/items/..%5cadmin", "backslash"),
    "nul": ("/a%00b", "control"),
    "newline": ("/a%0Ab", "control"),
    "carriage-return": ("/a%0d", "control"),
    "delete": ("/a%7F", "control"),
    "encoded-twice": ("/api/%2561dmin", "encoded twice"),
    "encoded-dots-twice": ("/public/%252e%252e/api", "encoded twice"),
    "encoded-slash-twice": ("/a%252fb", "encoded twice"),
    "encoded-three-times": ("/a%25252fb", "encoded twice"),
    "percent-and-encoded-digits": ("/a%25%32%66b", "encoded twice"),
    "percent-and-one-encoded-digit": ("/a%252%46b", "encoded twice"),
    "trailing-dot": ("/api/admin./users", "ends with a dot"),
    "trailing-encoded-dot": ("/api/admin%2e/users", "ends with a dot"),
    "three-dots": ("/a/.../b", "ends with a dot"),
    "trailing-dot-of-a-parameter": ("/a;x=.", "ends with a dot"),
    "trailing-space": ("/api/admin%20/users", "a dot or a space"),
    "space-after-dots": ("/a/..%20/b", "a dot or a space"),
    "overlong-dot": ("/api/%c0%ae%c0%ae/admin", "not UTF-8"),
    "overlong-slash": ("/a%c0%afb", "not UTF-8"),
    "overlong-nul": ("/a%e0%80%80", "not UTF-8"),
    "surrogate": ("/%ed%a0%80", "not UTF-8"),
    "half-a-character": ("/a%c3b", "not UTF-8"),
    "half-a-character-twice": ("/%c3/%a9", "not UTF-8"),
    "latin-1": ("/%ff", "not UTF-8"),
    "half-an-escape": ("/a%2", "incomplete"),
    "lone-percent": ("/a%", "incomplete"),
    "no-hexadecimal": ("/a%zz", "incomplete"),
    "unicode-escape": ("/a%u002f", "incomplete"),
    "spaced-escape": ("/a% 20", "must be percent-encoded"),
    "backslash": ("/a\\b", "must be percent-encoded"),
    "space": ("/a b", "must be percent-encoded"),
    "tab": ("/a\tb", "must be percent-encoded"),
    "fragment": ("/public/#/../api", "must be percent-encoded"),
    "question-mark": ("/a?b", "must be percent-encoded"),
    "quote": ('/a"b', "must be percent-encoded"),
    "angle": ("/<a>", "must be percent-encoded"),
    "caret": ("/a^b", "must be percent-encoded"),
    "brace": ("/{a}", "must be percent-encoded"),
    "raw-nul": ("/a\0", "must be percent-encoded"),
    "raw-newline": ("/a\n", "must be percent-encoded"),
    "raw-latin-1": ("/\xe9", "must be percent-encoded"),
}

FRAGMENTS = [
    "a", "admin", "%61", "Z", "7", ".", "..", "%2e", "%2E", "/", "/", "/", "//", "%2f", "%2F", "\\", "%5c", "%25",
    "%252e", "%2561", "2f", "2e", ";", "%3b", "%3B", ";x=1", "%20", " ", "%c3%a9", "%C3", "%a9", "%c0%ae", "%00", "%0a",
    "%7f", "~", "%7E", ":", "%3A", "%", "%u002f", "%EF%BC%8F", "|", "[", "+", "%2B", "=", "#", "?", "\xc2\x85",
]  # fmt: skip

paths = st.lists(st.sampled_from(FRAGMENTS), max_size=12).map(lambda parts: ("/" + "".join(parts)).encode("latin-1"))
any_bytes = st.binary(max_size=40).map(lambda tail: b"/" + tail)


@pytest.mark.parametrize("path", SAME)
def test_a_path_in_canonical_form_stays_as_it_is(path: str) -> None:
    assert canonical_path(path.encode()) == path


@pytest.mark.parametrize(("raw", "canonical"), REWRITTEN.items(), ids=REWRITTEN)
def test_unneeded_escapes_are_decoded_and_needed_ones_upper_cased(raw: str, canonical: str) -> None:
    assert canonical_path(raw.encode()) == canonical


@pytest.mark.parametrize(("raw", "why"), AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_an_ambiguous_path_is_refused(raw: str, why: str) -> None:
    refused = canonical_path(raw.encode("latin-1"))
    assert isinstance(refused, Malformed)
    assert why in refused.detail


@pytest.mark.parametrize(
    "raw", ["/a/..%20;x/b", "/a/.%20;/b", "/a/..%3B/b", "/a/..%3bx=1/b", "/a/%2e%3b/b", "/admin.;x=1", "/admin%20;x"]
)
def test_dots_or_spaces_before_a_parameter_however_spelled_are_refused(raw: str) -> None:
    """Servers that cut `;parameters` off, before or after decoding, see a dot segment or another name there."""
    assert isinstance(canonical_path(raw.encode()), Malformed)


def test_a_path_may_be_as_long_as_the_limit_and_no_longer() -> None:
    longest = b"/" + b"a" * (MAX_PATH_BYTES - 1)
    assert canonical_path(longest) == longest.decode()
    assert isinstance(canonical_path(longest + b"a"), Malformed)


@pytest.mark.parametrize("unit", [b"a", b"a.", b".", b"/a", b"/a.", b"%41", b";", b"%c3%a9", b"/", b"%25"], ids=repr)
@pytest.mark.parametrize("end", [b"", b"\x00", b"/.", b"%"], ids=repr)
def test_no_path_takes_long_to_judge(unit: bytes, end: bytes) -> None:
    raw = (b"/" + unit * MAX_PATH_BYTES)[: MAX_PATH_BYTES - 3] + end
    started = time.perf_counter()
    canonical_path(raw)
    assert time.perf_counter() - started < 0.25


@given(paths | any_bytes)
def test_the_canonical_form_is_its_own_canonical_form(raw: bytes) -> None:
    canonical = canonical_path(raw)
    if isinstance(canonical, str):
        assert canonical_path(canonical.encode("ascii")) == canonical


@given(paths | any_bytes)
@example(b"/a/%252e%252e/b")
@example(b"/a/..;/b")
def test_a_lenient_server_sees_the_segments_that_were_judged(raw: bytes) -> None:
    canonical = canonical_path(raw)
    if isinstance(canonical, str):
        judged = [unquote(segment) for segment in canonical.split("/") if segment]
        assert leniently_read(raw.decode("ascii")) == judged
        assert leniently_read(canonical) == judged


@given(paths | any_bytes)
@example(b"/a/..%20;x/b")
@example(b"/a/%2e.%3Bx/b")
def test_a_server_that_drops_parameters_dots_and_spaces_sees_no_dot_segment_either(raw: bytes) -> None:
    canonical = canonical_path(raw)
    if isinstance(canonical, str):
        for segment in canonical.split("/")[1:]:
            name = unquote(segment).split(";", 1)[0]
            assert name not in (".", "..")
            assert name.rstrip(". ") or not name, f"{segment!r} is nothing but dots and spaces"


@given(paths | any_bytes)
def test_an_accepted_path_holds_no_byte_a_server_could_take_for_another(raw: bytes) -> None:
    canonical = canonical_path(raw)
    if isinstance(canonical, str):
        assert canonical.isascii()
        assert "//" not in canonical
        decoded = unquote(canonical, errors="strict")
        assert "\\" not in decoded
        assert not any(character < " " or character == "\x7f" for character in decoded)


@given(st.text(max_size=20).map(lambda tail: "/" + tail))
def test_a_decoded_path_is_read_like_its_encoded_form_or_refused(path: str) -> None:
    canonical = canonical_decoded_path(path)
    if isinstance(canonical, str):
        assert unquote(canonical) == path
        assert canonical_path(canonical.encode()) == canonical


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/a b", "/a%20b"),
        ("/é", "/%C3%A9"),
        ("/a:b@c", "/a:b@c"),
        ("/100%", "/100%25"),
        ("/^", "/%5E"),
        ("/a;b", "/a;b"),
    ],
)
def test_a_decoded_path_is_encoded_again(path: str, canonical: str) -> None:
    assert canonical_decoded_path(path) == canonical


@pytest.mark.parametrize("path", ["/a//b", "/../a", "/%2e%2e/a", "/a\\b", "/a\0", "/%2Fa", "a", "", "/a ", "/a."])
def test_a_decoded_path_that_was_ambiguous_is_refused(path: str) -> None:
    assert isinstance(canonical_decoded_path(path), Malformed)


def test_a_decoded_path_that_no_server_can_have_decoded_is_refused() -> None:
    """A lone surrogate stands for a byte that was not UTF-8 (PEP 383)."""
    assert isinstance(canonical_decoded_path("/a\udcff"), Malformed)


@given(paths)
def test_both_ways_of_reading_a_path_agree(raw: bytes) -> None:
    """A server hands over `raw_path` and the decoded path; they name the same segments or one is refused."""
    canonical = canonical_path(raw)
    if isinstance(canonical, str):
        again = canonical_decoded_path(unquote(canonical))
        if isinstance(again, str):
            assert unquote(again) == unquote(canonical)


def leniently_read(path: str) -> list[str]:
    """The segments a server sees that decodes until nothing is left to decode, and forgives everything."""
    while (decoded := unquote(path)) != path:
        path = decoded
    segments: list[str] = []
    for segment in path.replace("\\", "/").split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    return segments
