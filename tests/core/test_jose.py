"""A compact JWS has one spelling, and everything else is refused before a key is looked for."""

from __future__ import annotations

import base64
import itertools
import json
import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.issuer import Algorithm
from gateway_auth.core.jose import (
    MAX_TOKEN_BYTES,
    Header,
    Jws,
    Rejected,
    UnverifiedToken,
    decode_base64url,
    is_jws,
    parse_compact,
    split_jws,
)

CLAIMS = b'{"iss":"https://issuer.test","sub":"user-1"}'
SIGNATURE = b"\x00\x10\x83\x10Q\x87 \x92\x8b0\xd3\x8fA\x14\x93QU\x97a\xfb\xef\xff"


def b64(data: bytes) -> bytes:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def compact(header: str, payload: bytes = CLAIMS, signature: bytes = SIGNATURE) -> bytes:
    """A token of this header, exact text."""
    return b".".join((b64(header.encode("utf-8", "surrogatepass")), b64(payload), b64(signature)))


def with_header(**members: object) -> bytes:
    """A token whose header has these members beside `alg`."""
    return compact(json.dumps({"alg": "RS256", **members}))


GOOD = with_header(kid="k-1", typ="at+jwt")
HEAD, BODY, SIGNED = GOOD.split(b".")

NO_ALGORITHMS: tuple[object, ...] = (
    "none", "None", "NONE", "nOnE", "", "rs256", "RS256 ", None, True, 1, ["RS256"], {}, "ES256K", "RS1",
)  # fmt: skip
NO_KEY_IDS: tuple[object, ...] = ("", None, 1, ["k-1"], {}, "k\n1", "k\x00", "k\x1b[0m", "\u2028", "k" * 257)
NO_TYPES: tuple[object, ...] = ("", None, 1, ["at+jwt"], {}, "application/", "\u212awt")
CRITICAL: tuple[object, ...] = (["exp"], [], "b64", {}, None, [1], ["b64"])

# how it looks -> why it is refused
REFUSED = {
    "nothing": (b"", "form"),
    "one segment": (HEAD, "form"),
    "two segments": (HEAD + b"." + BODY, "form"),
    "four segments": (GOOD + b".", "form"),
    "five segments (JWE)": (b"a.b.c.d.e", "form"),
    "a leading dot": (b"." + GOOD, "form"),
    "nothing but dots": (b"." * MAX_TOKEN_BYTES, "form"),
    "an escaped dot": (GOOD.replace(b".", b"%2E"), "form"),
    "JSON serialisation": (json.dumps({"payload": BODY.decode(), "signatures": []}).encode(), "form"),
    "no header": (b"." + BODY + b"." + SIGNED, "header"),
    "no payload": (HEAD + b".." + SIGNED, "payload"),
    "no signature": (HEAD + b"." + BODY + b".", "encoding"),
    "padding": (GOOD + b"=", "encoding"),
    "padding in the middle": (HEAD + b"==." + BODY + b"." + SIGNED, "encoding"),
    "a blank": (HEAD + b". " + BODY + b"." + SIGNED, "encoding"),
    "a newline at the end": (GOOD + b"\n", "encoding"),
    "a quote": (HEAD + b"." + BODY + b'.AA"A', "encoding"),
    "an escape": (HEAD + b"." + BODY + b".\\u0041", "encoding"),
    "the standard alphabet": (HEAD + b"." + BODY + b"." + b"ab+/", "encoding"),
    "bytes beyond ASCII": (HEAD + b"." + BODY + b".\xc3\xa4AA", "encoding"),
    "a bit that is not used": (HEAD + b"." + BODY + b".AB", "encoding"),
    "a length that cannot be": (HEAD + b"." + BODY + b".AAAAA", "encoding"),
    "too long": (GOOD + b"A" * MAX_TOKEN_BYTES, "size"),
    "a header that is no JSON": (compact("foo"), "header"),
    "a header that is an array": (compact('["RS256"]'), "header"),
    "a header in UTF-16": (b".".join((b64('{"alg":"RS256"}'.encode("utf-16")), BODY, SIGNED)), "header"),
    "a byte order mark": (compact('\ufeff{"alg":"RS256"}'), "header"),
    "a header member twice": (compact('{"alg":"none","alg":"RS256"}'), "header"),
    "a deep header": (compact('{"alg":"RS256","d":' + "[" * 50 + "]" * 50 + "}"), "header"),
    "a payload that is no JSON": (compact('{"alg":"RS256"}', b"foo"), "payload"),
    "a payload that is null": (compact('{"alg":"RS256"}', b"null"), "payload"),
    "a payload that is an array": (compact('{"alg":"RS256"}', b"[1]"), "payload"),
    "a claim twice": (compact('{"alg":"RS256"}', b'{"exp":1,"exp":2}'), "payload"),
    "a nested token": (compact('{"alg":"RS256","cty":"JWT"}', GOOD), "payload"),
    "half a surrogate pair": (compact('{"alg":"RS256"}', b'{"sub":"\\ud800"}'), "payload"),
    "no alg": (compact("{}"), "algorithm"),
    **{f"alg {alg!r}": (with_header(alg=alg), "algorithm") for alg in NO_ALGORITHMS},
    **{f"kid {kid!r:.20}": (with_header(kid=kid), "key_id") for kid in NO_KEY_IDS},
    **{f"typ {typ!r}": (with_header(typ=typ), "token_type") for typ in NO_TYPES},
    **{f"crit {crit!r}": (with_header(crit=crit), "extension") for crit in CRITICAL},
    "b64 false": (with_header(b64=False), "extension"),
    "b64 false and critical": (with_header(b64=False, crit=["b64"]), "extension"),
    "b64 true": (with_header(b64=True), "extension"),
}  # fmt: skip


def reference(text: bytes) -> bytes | None:
    """RFC 7515 section 2 in slow: the text is what encoding its bytes gives."""
    if not re.fullmatch(rb"[A-Za-z0-9_-]*", text) or len(text) % 4 == 1:
        return None
    data = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    return data if b64(data) == text else None


def test_a_token_is_taken_apart() -> None:
    token = parse_compact(GOOD)
    assert isinstance(token, UnverifiedToken)
    assert (token.algorithm, token.key_id, token.token_type) == ("RS256", "k-1", "at+jwt")
    assert token.unverified_claims == {"iss": "https://issuer.test", "sub": "user-1"}
    assert token.signing_input == HEAD + b"." + BODY
    assert token.signature == SIGNATURE


@pytest.mark.parametrize(("presented", "why"), REFUSED.values(), ids=REFUSED)
def test_another_form_is_refused(presented: bytes, why: str) -> None:
    assert parse_compact(presented) == Rejected(why)  # type: ignore[arg-type]  # the table's text


@pytest.mark.parametrize("payload", [b"", b"foo", b"\x00" * 9, b"$.02"])
def test_the_jws_layer_takes_any_payload(payload: bytes) -> None:
    jws = split_jws(compact('{"alg":"HS256"}', payload))
    assert jws == Jws(Header("HS256", None, None), payload, b64(b'{"alg":"HS256"}') + b"." + b64(payload), SIGNATURE)


@pytest.mark.parametrize("algorithm", get_args(Algorithm))
def test_every_algorithm_offered_is_known_by_its_exact_name(algorithm: str) -> None:
    jws = split_jws(with_header(alg=algorithm))
    assert isinstance(jws, Jws)
    assert jws.header == Header(algorithm, None, None)  # type: ignore[arg-type]  # one of them


@pytest.mark.parametrize(
    ("typ", "expected"),
    [("at+jwt", "at+jwt"), ("AT+JWT", "at+jwt"), ("application/at+jwt", "at+jwt"), ("Application/JWT", "jwt")],
)
def test_a_type_is_compared_without_case_and_prefix(typ: str, expected: str) -> None:
    jws = split_jws(with_header(typ=typ))
    assert isinstance(jws, Jws)
    assert jws.header.token_type == expected


@pytest.mark.parametrize("kid", ["k", "k" * 256, "../../dev/null", "k' OR '1'='1", "ключ", "a b"])
def test_a_key_id_is_any_text_that_can_stand_in_a_line(kid: str) -> None:
    jws = split_jws(with_header(kid=kid))
    assert isinstance(jws, Jws)
    assert jws.header.key_id == kid


@pytest.mark.parametrize(
    "member",
    [
        {"jwk": {"kty": "RSA"}}, {"jku": "http://127.0.0.1:9/jwks"}, {"x5u": "http://127.0.0.1:9/"}, {"x5c": ["AA"]},
        {"x5t": "AA"}, {"foo": [1]},
    ],
    ids=lambda member: next(iter(member)),
)  # fmt: skip
def test_a_key_in_the_header_means_nothing(member: dict[str, object]) -> None:
    jws = split_jws(with_header(kid="k-1", **member))
    assert isinstance(jws, Jws)
    assert jws.header == Header("RS256", "k-1", None)


@pytest.mark.parametrize("header", ['{"alg":"R\\u0053256"}', ' {\n"alg" : "RS256"\t}'], ids=["escape", "blanks"])
def test_json_may_be_spelled_as_its_signer_likes(header: str) -> None:
    jws = split_jws(compact(header))
    assert isinstance(jws, Jws)
    assert jws.header.algorithm == "RS256"


@pytest.mark.parametrize(
    ("presented", "expected"),
    [
        (b"e30.e30.AA", True), (b"eyJhbGciOiJub25lIn0..", True), (b"e30.!.!", True), (b"IHt9.x.y", True),
        (b"v4.local.AAAA", False), (b"v4.public.AAAA", False), (b"a.b.c", False), (b"W10.b.c", False),
        (b"e31.b.c", False), (b"e30=.b.c", False), (b"..", False), (b"", False), (b"e30", False), (b"e30.b", False),
        (b"e30.b.c.d", False), (b"e30.b.c.d.e", False), (b"A" * 9000 + b".b.c", False),
    ],
)  # fmt: skip
def test_a_jws_is_told_by_its_header(presented: bytes, expected: bool) -> None:
    assert is_jws(presented) is expected


def test_a_longest_token_is_read() -> None:
    claims = b'{"a":"' + b"x" * 6000 + b'"}'
    rest = MAX_TOKEN_BYTES - len(compact('{"alg":"RS256"}', claims, b""))
    token = compact('{"alg":"RS256"}', claims, b"\x00" * (rest * 3 // 4))
    assert isinstance(parse_compact(token), UnverifiedToken)
    assert len(token) <= MAX_TOKEN_BYTES


def test_short_texts_are_base64url_as_the_specification_has_it() -> None:
    letters = b'Ag9-_+/=\n \x00\x80w"\\!'
    texts = (bytes(text) for length in range(5) for text in itertools.product(letters, repeat=length))
    assert [text for text in texts if decode_base64url(text) != reference(text)] == []


@given(st.binary(max_size=100), st.binary(max_size=4), st.integers(0, 100))
def test_base64url_has_one_spelling(data: bytes, noise: bytes, position: int) -> None:
    text = b64(data)
    assert decode_base64url(text) == data
    spoiled = text[:position] + noise + text[position:]
    assert decode_base64url(spoiled) == reference(spoiled)


@given(st.binary(max_size=200) | st.lists(st.binary(max_size=60).map(b64), max_size=5).map(b".".join))
def test_whatever_comes_it_is_a_token_or_refused(presented: bytes) -> None:
    assert isinstance(parse_compact(presented), UnverifiedToken | Rejected)


@given(
    st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "x"]),
        st.none() | st.text() | st.lists(st.text(max_size=2)),
    )
)
def test_whatever_a_header_says_it_is_read_or_refused(members: dict[str, object]) -> None:
    assert isinstance(split_jws(compact(json.dumps(members))), Jws | Rejected)
