"""Our own vectors, made while the tests run: the classes of the shared sets, so that the suite stands alone."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway_auth.adapters.issuers.signatures import hmac_key, unexpected_failures
from gateway_auth.core.claims import Claims, Expired
from gateway_auth.core.issuer import Algorithm, Issuer
from gateway_auth.core.jose import Rejected
from gateway_auth.ports import VerificationKey
from tests.vectors.judge import ALGORITHMS, is_signed, judge, published
from tests.vectors.signing import ASYMMETRIC, SECRETS, SHARED, b64, compact, signer

NOW = 1_800_000_000
OURS, OTHER = "https://issuer.test", "https://issuer-b.test"
HEADER = {"alg": "RS256", "kid": "k-1", "typ": "at+jwt"}
CLAIMS: dict[str, object] = {
    "iss": OURS, "sub": "user-1", "aud": "https://api.test", "scope": "items:read", "iat": NOW - 10, "exp": NOW + 300,
}  # fmt: skip
RS256 = signer("RS256")


def issuer(name: str = OURS, algorithms: tuple[Algorithm, ...] = ALGORITHMS) -> Issuer:
    """An issuer that may use every algorithm."""
    return Issuer(id="corp", issuer=name, audiences=frozenset(("https://api.test",)), algorithms=algorithms)


def jwk(algorithm: str, key: int = 0, **members: Any) -> dict[str, Any]:
    """The public key of a signer, as its issuer publishes it."""
    return {**signer(algorithm, key).jwk, "kid": "k-1", "alg": algorithm, "use": "sig", **members}


def keys_for(algorithm: Any) -> tuple[VerificationKey, ...]:
    """What verifies this algorithm's tokens."""
    if algorithm in SHARED:
        return (hmac_key(SECRETS[algorithm], algorithm, "k-1"),)
    return published({"keys": [jwk(algorithm)]})


def signed(payload: bytes | dict[str, object], algorithm: str = "RS256", /, **header: object) -> bytes:
    """A token signed by our issuer."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return compact({**HEADER, "alg": algorithm, **header}, data, signer(algorithm).sign)


def outcome(token: bytes, *keys: VerificationKey) -> Claims | Rejected | Expired | None:
    """What becomes of a token of our issuer, which has these keys."""
    other = published({"keys": [jwk("RS256", 1)]})
    return judge(token, {OURS: (issuer(), keys or keys_for("RS256")), OTHER: (issuer(OTHER), other)}, NOW)


@pytest.mark.parametrize("algorithm", [*ASYMMETRIC, *SHARED])
def test_a_good_token_of_every_algorithm_is_accepted(algorithm: str) -> None:
    assert isinstance(outcome(signed(CLAIMS, algorithm), *keys_for(algorithm)), Claims)


@pytest.mark.parametrize("algorithm", [*ASYMMETRIC, *SHARED])
@pytest.mark.parametrize("other", [*ASYMMETRIC, *SHARED])
def test_a_key_serves_the_algorithm_it_is_bound_to_alone(algorithm: str, other: str) -> None:
    is_accepted = isinstance(outcome(signed(CLAIMS, other), *keys_for(algorithm)), Claims)
    assert is_accepted is (algorithm == other)


@pytest.mark.parametrize("payload", [b"", b"foo", bytes(20), b'{"a":1,"a":2}'], ids=["empty", "foo", "zeros", "twice"])
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "Ed25519", "HS256"])
def test_the_jws_layer_confirms_any_payload_and_a_jwt_is_more(algorithm: str, payload: bytes) -> None:
    token = signed(payload, algorithm)
    assert is_signed(token, keys_for(algorithm))
    assert outcome(token, *keys_for(algorithm)) == Rejected("payload")


def _public_key_as_secret() -> bytes:
    """The classic: MAC with what everybody knows."""
    secret = json.dumps(RS256.jwk).encode()
    return compact({**HEADER, "alg": "HS256"}, json.dumps(CLAIMS).encode(), hmac_of(secret))


def hmac_of(secret: bytes) -> Callable[[bytes], bytes]:
    """A signer with any secret."""

    return lambda message: hmac.digest(secret, message, "sha256")


def _with_header(**header: object) -> bytes:
    return signed(CLAIMS, "RS256", **header)


def _attacked(**header: object) -> bytes:
    """Signed with another key, which the header praises."""
    return compact({**HEADER, **header}, json.dumps(CLAIMS).encode(), signer("RS256", 1).sign)


def _edited(edit: Callable[[list[str]], list[str]]) -> bytes:
    return ".".join(edit(signed(CLAIMS).decode().split("."))).encode()


def _raw(header: str | bytes, payload: str | bytes = json.dumps(CLAIMS)) -> bytes:
    head, body = (
        part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part for part in (header, payload)
    )
    message = f"{b64(head)}.{b64(body)}".encode()
    return message + b"." + b64(RS256.sign(message)).encode()


def _with_spare_bit(segment: str) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return segment[:-1] + alphabet[alphabet.index(segment[-1]) ^ 1]


FORGED = b64(json.dumps(CLAIMS | {"sub": "root"}).encode())
BAD: dict[str, bytes] = {
    "alg none, no signature": _edited(lambda parts: [b64(b'{"alg":"none"}'), parts[1], ""]),
    "alg none, the signature kept": _with_header(alg="none"),
    "alg nOnE": _with_header(alg="nOnE"),
    "alg in lower case": _with_header(alg="rs256"),
    "alg null": _with_header(alg=None),
    "alg of another hash": _with_header(alg="RS512"),
    "alg of another padding": _with_header(alg="PS256"),
    "alg of another family": _with_header(alg="ES256"),
    "HMAC with the public key": _public_key_as_secret(),
    "HMAC with nothing": compact({**HEADER, "alg": "HS256"}, json.dumps(CLAIMS).encode(), hmac_of(b"")),
    "kid of nobody": _with_header(kid="k-2"),
    "kid a path": _with_header(kid="../../dev/null"),
    "kid null": _with_header(kid=None),
    "kid with a newline": _with_header(kid="k-1\n"),
    "a key in the header": _attacked(jwk=signer("RS256", 1).jwk),
    "an address of keys in the header": _attacked(jku="http://127.0.0.1:9/jwks"),
    "a certificate in the header": _attacked(x5c=["AA=="]),
    "an address of certificates in the header": _attacked(x5u="http://127.0.0.1:9/"),
    "crit": _with_header(crit=["exp"], exp=1),
    "crit empty": _with_header(crit=[]),
    "b64 false": _with_header(b64=False, crit=["b64"]),
    "a header member twice": _raw('{"alg":"none","alg":"RS256","kid":"k-1","typ":"at+jwt"}'),
    "a claim twice": _raw(json.dumps(HEADER), json.dumps(CLAIMS)[:-1] + ',"exp":9}'),
    "a claim twice, once escaped": _raw(json.dumps(HEADER), json.dumps(CLAIMS)[:-1] + ',"\\u0065xp":9}'),
    "a byte order mark": _raw("\ufeff" + json.dumps(HEADER)),
    "a header in UTF-16": _raw(json.dumps(HEADER).encode("utf-16")),
    "claims that are an array": _raw(json.dumps(HEADER), "[1]"),
    "claims that are null": _raw(json.dumps(HEADER), "null"),
    "claims with a comment": _raw(json.dumps(HEADER), "{/**/}"),
    "claims with bad UTF-8": _raw(json.dumps(HEADER), b'{"iss":"\xff"}'),
    "claims with half a surrogate pair": _raw(json.dumps(HEADER), '{"sub":"\\ud800"}'),
    "claims without end": _raw(json.dumps(HEADER), '{"d":' + "[" * 1000 + "]" * 1000 + "}"),
    "exp NaN": _raw(json.dumps(HEADER), json.dumps({**CLAIMS, "exp": float("nan")})),
    "exp 1e400": _raw(json.dumps(HEADER), json.dumps(CLAIMS).replace(str(NOW + 300), "1e400")),
    "exp of 400 digits": signed({**CLAIMS, "exp": int("9" * 400)}),
    "exp in a string": signed({**CLAIMS, "exp": str(NOW)}),
    "no exp": signed({name: value for name, value in CLAIMS.items() if name != "exp"}),
    "of an issuer with other keys": signed({**CLAIMS, "iss": OTHER}),
    "of an issuer unknown": signed({**CLAIMS, "iss": "https://else.test"}),
    "for somebody else": signed({**CLAIMS, "aud": "https://else.test"}),
    "bound to its sender": signed({**CLAIMS, "cnf": {"jkt": "x"}}),
    "a plain JWT": _with_header(typ="JWT"),
    "a DPoP proof": _with_header(typ="dpop+jwt"),
    "too long": signed({**CLAIMS, "pad": "x" * 9000}),
    "padding": signed(CLAIMS) + b"=",
    "a blank": _edited(lambda parts: [parts[0], " " + parts[1], parts[2]]),
    "a newline inside": _edited(lambda parts: [parts[0], parts[1][:4] + "\n" + parts[1][4:], parts[2]]),
    "junk inside": _edited(lambda parts: [parts[0], parts[1][:4] + "?" + parts[1][4:], parts[2]]),
    "a spare bit in the signature": _edited(lambda parts: [*parts[:2], _with_spare_bit(parts[2])]),
    "a payload of another token": _edited(lambda parts: [parts[0], FORGED, parts[2]]),
    "no payload": _edited(lambda parts: [parts[0], "", parts[2]]),
    "no header": _edited(lambda parts: ["", *parts[1:]]),
    "no signature": _edited(lambda parts: [*parts[:2], ""]),
    "two segments": _edited(lambda parts: parts[:2]),
    "five segments": signed(CLAIMS) + b".AAAA.AAAA",
    "a trailing dot": signed(CLAIMS) + b".",
    "JSON serialisation": b'{"payload":"e30","signatures":[{"protected":"e30","signature":"AA"}]}',
    "JWE": b64(b'{"alg":"dir","enc":"A128GCM","zip":"DEF"}').encode() + b"..AA.AA.AA",
    "a token inside a token": signed(signed(CLAIMS), cty="JWT"),
}  # fmt: skip


@pytest.mark.parametrize("token", BAD.values(), ids=BAD)
def test_a_bad_token_is_never_accepted(token: bytes) -> None:
    before = unexpected_failures()
    assert not isinstance(outcome(token), Claims)
    assert unexpected_failures() == before


@pytest.mark.parametrize("presented", [_with_header(jku="http://127.0.0.1:9/jwks"), _with_header(x5t="AA", foo=[1])])
def test_what_a_header_adds_does_not_spoil_a_good_token(presented: bytes) -> None:
    assert isinstance(outcome(presented), Claims)


def test_a_token_without_kid_is_tried_with_the_keys_of_its_algorithm() -> None:
    token = compact({"alg": "RS256", "typ": "at+jwt"}, json.dumps(CLAIMS).encode(), RS256.sign)
    assert isinstance(outcome(token), Claims)


SETS: dict[str, tuple[dict[str, Any] | str, bool]] = {
    "as it should be": ({"keys": [jwk("RS256")]}, True),
    "beside a key of an unknown type": ({"keys": [{"kty": "AKP", "kid": "pq"}, jwk("RS256")]}, True),
    "for encryption": ({"keys": [jwk("RS256", use="enc")]}, False),
    "for signing": ({"keys": [{**jwk("RS256"), "key_ops": ["sign"]}]}, False),
    "for another algorithm": ({"keys": [jwk("RS256", alg="RS512")]}, False),
    "for an unknown algorithm": ({"keys": [jwk("RS256", alg="RS257")]}, False),
    "with its private half": ({"keys": [jwk("RS256", d="AA")]}, False),
    "with an even modulus": ({"keys": [jwk("RS256", n=b64(b"\xff" * 255 + b"\xfe"))]}, False),
    "with exponent 1": ({"keys": [jwk("RS256", e="AQ")]}, False),
    "of 1024 bits": ({"keys": [jwk("RS256", n=b64(b"\xff" * 128))]}, False),
    "beside another of its name": ({"keys": [jwk("RS256", 1), jwk("RS256")]}, False),
    "beside a shared secret": ({"keys": [{"kty": "oct", "k": "AA", "kid": "o"}, jwk("RS256")]}, False),
    "in an object": ({"keys": {"k-1": jwk("RS256")}}, False),
    "in the second of two members": (f'{{"keys":[],"keys":[{json.dumps(jwk("RS256"))}]}}', False),
    "among ten thousand": ({"keys": [jwk("RS256", kid=f"k-{number}") for number in range(10_000)]}, False),
}  # fmt: skip


@pytest.mark.parametrize(("keys", "is_usable"), SETS.values(), ids=SETS)
def test_a_published_key_verifies_when_its_set_is_right(keys: object, is_usable: bool) -> None:
    assert is_signed(signed(CLAIMS), published(keys)) is is_usable


def test_a_published_secret_verifies_nothing() -> None:
    keys = published({"keys": [{"kty": "oct", "k": b64(SECRETS["HS256"]), "kid": "k-1", "alg": "HS256"}]})
    assert not is_signed(signed(CLAIMS, "HS256"), keys)


def test_an_expired_token_of_ours_is_told_so_and_a_forged_one_is_not() -> None:
    over = json.dumps({**CLAIMS, "iat": NOW - 600, "exp": NOW - 300}).encode()
    assert outcome(compact(HEADER, over, RS256.sign)) == Expired()
    assert outcome(compact(HEADER, over, signer("RS256", 1).sign)) is None
