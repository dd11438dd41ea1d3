"""A compact JWS taken apart as strictly as RFC 7515, 7519 and 8725 allow, before any cryptography. It knows no keys.

`split_jws` reads the JWS layer (header, payload bytes, signature), `parse_compact` a claims set on top of it.
Nothing here is verified: that is said by the types and stays so until a key has confirmed `signing_input`.

Of the header only `alg`, `kid` and `typ` mean anything. `jwk`, `jku`, `x5u` and `x5c` are never a source of keys; that
they are there is no reason to refuse, as issuers in wide use (Cloud Foundry UAA, Entra ID) send some of them. `crit`
and `b64` are refused in every form: no extension is understood, and RFC 7797 section 7 bars `b64` from JWTs.
"""

from __future__ import annotations

from typing import Literal, get_args

from msgspec import Struct
from msgspec.json import Decoder

from gateway_auth.core.issuer import Algorithm
from gateway_auth.core.memo import Memo
from gateway_auth.core.strict_json import parse_object

MAX_TOKEN_BYTES = 8192
MAX_KEY_ID = 256

WhyRejected = Literal[
    # the form of the token
    "size", "form", "encoding", "header", "algorithm", "key_id", "token_type", "extension", "payload",
    # what it claims
    "issuer", "audience", "time", "not_yet_valid", "lifetime", "subject", "token_id", "required_claim",
    "sender_constrained", "token_kind", "too_many_scopes",
]  # fmt: skip


class Rejected(Struct, frozen=True):
    """Why a token is not used. For counters and logs alone: told to a client, it would be a guide for forgers."""

    why: WhyRejected


class Header(Struct, frozen=True):
    """What a protected header says that matters here. `token_type` is lower-case, without `application/`."""

    algorithm: Algorithm
    key_id: str | None
    token_type: str | None


class Jws(Struct, frozen=True):
    """A compact JWS in its parts, not verified. `payload` may be any bytes."""

    header: Header
    unverified_payload: bytes
    signing_input: bytes
    signature: bytes


class UnverifiedToken(Struct, frozen=True):
    """A JWT in its parts. Its claims are true only once a key of its issuer has confirmed the signature."""

    algorithm: Algorithm
    key_id: str | None
    token_type: str | None
    unverified_claims: dict[str, object]
    signing_input: bytes
    signature: bytes


_ALGORITHMS: dict[object, Algorithm] = {name: name for name in get_args(Algorithm)}
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
# The alphabet becomes that of the decoder, every other byte one that is no base64 and means nothing in JSON.
_TO_STANDARD = bytes({45: 43, 95: 47}.get(byte, byte if byte in _ALPHABET else 33) for byte in range(256))
# msgspec reads base64 out of a JSON string in a third of the time binascii takes.
_decode_base64 = Decoder(bytes).decode
# By the length of a segment modulo 4: its padding and quote; and its last character, with no bit set that is not used.
_ENDING = (b'"', b'"', b'=="', b'="')
_LAST: tuple[frozenset[int], ...] = (
    frozenset(_ALPHABET),
    frozenset(),
    frozenset(b"AQgw"),
    frozenset(b"AEIMQUYcgkosw048"),
)


def parse_compact(presented: bytes) -> UnverifiedToken | Rejected:
    """The JWT in `presented`, exact bytes."""
    jws = split_jws(presented)
    # This way round, as all along here: an `isinstance` that is true is cheap, a false one asks the metaclass.
    if not isinstance(jws, Jws):
        return jws
    claims = parse_object(jws.unverified_payload)
    if claims is None:
        return Rejected("payload")
    header = jws.header
    return UnverifiedToken(header.algorithm, header.key_id, header.token_type, claims, jws.signing_input, jws.signature)


def split_jws(presented: bytes) -> Jws | Rejected:
    """The compact JWS in `presented`: three segments, each in the one spelling base64url has for it."""
    if len(presented) > MAX_TOKEN_BYTES:
        return Rejected("size")
    segments = presented.split(b".", 3)
    if len(segments) != 3:
        return Rejected("form")
    header = _HEADERS[segments[0]]
    if not isinstance(header, Header):
        return header
    # The payload may be empty at this layer; a signature never is.
    payload, signature = decode_base64url(segments[1]), decode_base64url(segments[2])
    if payload is None or not signature:
        return Rejected("encoding")
    return Jws(header, payload, presented[: -len(segments[2]) - 1], signature)


def is_jws(presented: bytes) -> bool:
    """Whether this is meant as a compact JWS: of its three segments the first spells a JSON object.

    Opaque tokens may have three segments, too (PASETO).
    """
    header, *rest = presented[:MAX_TOKEN_BYTES].split(b".", 3)
    decoded = decode_base64url(header) if len(rest) == 2 else None
    return decoded is not None and parse_object(decoded) is not None


def decode_base64url(text: bytes) -> bytes | None:
    """The bytes `text` spells; None for padding, another alphabet, spare bits or a length that cannot be."""
    remainder = len(text) & 3
    if text and text[-1] not in _LAST[remainder]:
        return None
    try:
        return _decode_base64(b'"' + text.translate(_TO_STANDARD) + _ENDING[remainder])
    except ValueError:
        return None


def is_key_id(value: object) -> bool:
    """Whether this may name a key: 1 to 256 characters, none of which could end a line of a log."""
    return isinstance(value, str) and 0 < len(value) <= MAX_KEY_ID and value.isprintable()


def _read_header(segment: bytes) -> Header | Rejected:
    data = decode_base64url(segment)
    if data is None:
        return Rejected("encoding")
    header = parse_object(data)
    if header is None:
        return Rejected("header")
    if "crit" in header or "b64" in header:
        return Rejected("extension")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
        return Rejected("algorithm")
    key_id = header.get("kid")
    if "kid" in header and not is_key_id(key_id):
        return Rejected("key_id")
    token_type = _token_type(header["typ"]) if "typ" in header else None
    if token_type == "":
        return Rejected("token_type")
    return Header(_ALGORITHMS[algorithm], key_id if isinstance(key_id, str) else None, token_type)


def _token_type(value: object) -> str:
    """A media type as it is compared: without regard to case and `application/` (RFC 7515 section 4.1.9)."""
    return value.lower().removeprefix("application/") if isinstance(value, str) and value.isascii() else ""


# One issuer signs with few headers. Those that are no headers are remembered too: refusing them again is cheap.
_HEADERS: Memo[bytes, Header | Rejected] = Memo(_read_header, max_entries=256, max_length=1024)
