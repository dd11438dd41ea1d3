"""Whatever an issuer does to its key set: the last good keys serve to their maximum age, then 503, then recovery.

The real parts over a real socket: only the clock is moved.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gateway_auth.adapters.issuers.fetch import Fetcher
from gateway_auth.adapters.issuers.signatures import public_keys
from gateway_auth.adapters.issuers.sources import AddressSource, FileSource
from gateway_auth.adapters.system import SystemRandom
from gateway_auth.core.jwk import read_jwks
from gateway_auth.engine.keysets import COOL_DOWN_SECONDS, FRESH_SECONDS, NO_SUCH_KEY, IssuerKeys, NoSuchKey
from gateway_auth.errors import IssuerUnavailable
from gateway_auth.ports import KeySetSource, VerificationKey
from tests.adapters.issuer_server import (
    Endless,
    IssuerServer,
    Page,
    a_jwk,
    a_private_key,
    a_small_rsa_modulus,
    answer,
    bomb,
    broken_off,
    certified,
    dripping,
    jwks,
    number,
    redirect,
    silence,
)
from tests.fakes import FakeClock
from tests.proxy.upstreams import Upstream

MAX_AGE_SECONDS = 600
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
MESSAGE = b"header.claims"


def read_keys(document: bytes) -> Sequence[VerificationKey]:
    """As the gateway reads them."""
    reading = read_jwks(document, ("RS256", "ES256", "HS256"))
    if reading.refused is not None:
        raise ValueError(reading.refused)
    keys, _ = public_keys(reading.usable)
    return keys


def signed_by(name: str) -> bytes:
    r, s = decode_dss_signature(a_private_key(name).sign(MESSAGE, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


class Gateway:
    """What a gateway does with the tokens of one issuer."""

    def __init__(self, source: KeySetSource) -> None:
        self.clock = FakeClock()
        self.keys = IssuerKeys("corp", source, self.clock, SystemRandom(), max_age_seconds=MAX_AGE_SECONDS)

    async def judge(self, key_id: str, algorithm: str = "ES256") -> int:
        """The status a token signed by the key of that name gets."""
        try:
            key = await self.keys.find(algorithm, key_id)
        except IssuerUnavailable:
            return 503
        return 200 if not isinstance(key, NoSuchKey) and key.verify(MESSAGE, signed_by(key_id)) else 401


def gateway_of(server: IssuerServer) -> Gateway:
    return Gateway(AddressSource("corp", f"{server.url}/jwks", Fetcher("corp", deadline_seconds=0.5), read_keys))


@pytest.fixture
async def server() -> AsyncIterator[IssuerServer]:
    async with IssuerServer() as server:
        server.publish(a_jwk("good"))
        yield server


FAULTS: dict[str, Page] = {
    "slow": silence,
    "dripping head": dripping(HEAD, b"X: 1\r\n"),
    "dripping body": dripping(HEAD + b"\r\n", b" "),
    "500": answer(b"{}", status=500),
    "404": answer(b"{}", status=404),
    "HTML with 200": answer(b"<html>", content_type="text/html"),
    "HTML that calls itself JSON": answer(b"<html>"),
    "nothing": answer(b""),
    "cut off": broken_off(answer(jwks(a_jwk("good")))[:-20], by_reset=False),
    "cut off, and its length with it": answer(jwks(a_jwk("good"))[:-20]),
    "reset": broken_off(HEAD + b"Content-Length: 999\r\n\r\n{", by_reset=True),
    "100 MB": Endless(HEAD + b"\r\n"),
    "gzip bomb": bomb(),
    "wrong type": answer(jwks(a_jwk("good")), content_type="text/plain"),
    "garbage": b"\xff\x00garbage\r\n\r\n",
    "redirect": redirect(302, "http://127.0.0.1:9/jwks"),
    "keys that are an object": answer(b'{"keys":{"good":{}}}'),
    "keys twice": answer(b'{"keys":[],"keys":[]}'),
    "a member twice in a key": answer(b'{"keys":[{"kid":"good","kid":"good"}]}'),
    "deep": answer(b'{"keys":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "too many keys": answer(jwks(*(a_jwk("good", kid=f"k{n}") for n in range(1500)))),
    "secrets beside public keys": answer(jwks(a_jwk("good"), {"kty": "oct", "kid": "s", "k": "A" * 64})),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_last_good_keys_then_503_then_recovery(server: IssuerServer, fault: Page) -> None:
    gateway = gateway_of(server)
    assert await gateway.judge("good") == 200
    server.pages["/jwks"] = fault
    gateway.clock.advance(FRESH_SECONDS)
    assert await gateway.judge("good") == 200
    assert gateway.keys.describe().last_error is not None
    gateway.clock.advance(MAX_AGE_SECONDS - FRESH_SECONDS - 1)
    assert gateway.keys.recall("ES256", "good") not in (None, NO_SUCH_KEY)
    gateway.clock.advance(1)
    assert await gateway.judge("good") == 503
    server.publish(a_jwk("good"))
    gateway.clock.advance(30)
    assert await gateway.judge("good") == 200
    await gateway.keys.stop()


@pytest.mark.parametrize("fault", [silence, answer(b"", status=500), bomb()], ids=["slow", "500", "bomb"])
async def test_an_issuer_that_is_broken_from_the_start_is_503_and_recovers(server: IssuerServer, fault: Page) -> None:
    gateway = gateway_of(server)
    server.pages["/jwks"] = fault
    await gateway.keys.start()
    assert await gateway.judge("good") == 503
    server.publish(a_jwk("good"))
    gateway.clock.advance(1)
    assert await gateway.judge("good") == 200
    await gateway.keys.stop()


async def test_a_redirect_reaches_nobody_and_keeps_the_last_good_keys(
    server: IssuerServer, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = gateway_of(server)
    await gateway.judge("good")
    async with Upstream(silence) as canary:
        server.pages["/jwks"] = redirect(307, f"{canary.url}/jwks", jwks(a_jwk("evil")))
        gateway.clock.advance(FRESH_SECONDS)
        assert await gateway.judge("good") == 200
        assert await gateway.judge("evil") == 503
    assert canary.wires == []
    assert "redirects (status 307)" in caplog.text
    await gateway.keys.stop()


async def test_a_certificate_that_is_not_trusted_is_503(tmp_path: Path) -> None:
    tls, trust = certified(tmp_path)
    async with IssuerServer(tls) as server:
        server.publish(a_jwk("good"))
        for context, status in ((None, 503), (trust, 200)):
            fetcher = Fetcher("corp", trust=context)
            gateway = Gateway(AddressSource("corp", f"{server.url}/jwks", fetcher, read_keys))
            assert await gateway.judge("good") == status


# -- poison --------------------------------------------------------------------------------------------------------

SMALL = {"kty": "RSA", "kid": "bad", "alg": "RS256", "e": "AQAB"}
POISON: dict[str, tuple[str, object]] = {
    "a private key": ("ES256", a_jwk("bad", d=number(7, 32))),
    "RSA of 1024 bits": ("RS256", "small"),
    "a point beside its curve": ("ES256", a_jwk("bad", x=number(1, 32))),
    "for encryption": ("ES256", a_jwk("bad", use="enc")),
    "of another algorithm": ("ES256", a_jwk("bad", alg="RS256")),
    "of a kind nobody knows": ("ES256", {"kty": "AKP", "kid": "bad"}),
    "a number for a name": ("ES256", a_jwk("bad", kid=7)),
    "no key at all": ("ES256", "bad"),
    "nothing": ("ES256", None),
}


@pytest.mark.parametrize(("algorithm", "poison"), POISON.values(), ids=POISON)
async def test_a_bad_key_is_left_out_and_the_good_ones_work(
    server: IssuerServer, algorithm: str, poison: object
) -> None:
    gateway = gateway_of(server)
    if poison == "small":
        poison = SMALL | {"n": number(a_small_rsa_modulus())}
    server.publish(poison, a_jwk("good"))
    assert await gateway.judge("bad", algorithm) == 401
    assert await gateway.judge("good") == 200


async def test_two_keys_of_one_name_are_neither(server: IssuerServer) -> None:
    gateway = gateway_of(server)
    server.publish(a_jwk("twin"), a_jwk("other", kid="twin"), a_jwk("good"))
    assert await gateway.judge("twin") == 401
    assert await gateway.judge("good") == 200


async def test_a_key_without_algorithm_serves_one_that_is_allowed(server: IssuerServer) -> None:
    gateway = gateway_of(server)
    server.publish(a_jwk("good", alg=None))
    assert await gateway.judge("good") == 200
    assert await gateway.keys.find("RS256", "good") is NO_SUCH_KEY


async def test_published_secrets_verify_nothing(server: IssuerServer) -> None:
    gateway = gateway_of(server)
    server.publish({"kty": "oct", "kid": "good", "alg": "HS256", "k": "A" * 64})
    assert await gateway.judge("good", "HS256") == 401


async def test_a_first_set_whose_keys_are_an_object_has_none(server: IssuerServer) -> None:
    server.pages["/jwks"] = answer(b'{"keys":{"good":{}}}')
    assert await gateway_of(server).judge("good") == 401


# -- rotation and storms over the wire -----------------------------------------------------------------------------


async def test_a_new_key_works_at_once_with_one_fetch_and_the_removed_one_is_refused_in_time(
    server: IssuerServer,
) -> None:
    gateway = gateway_of(server)
    await gateway.judge("good")
    server.publish(a_jwk("new"))
    assert await asyncio.gather(*(gateway.judge("new") for _ in range(50))) == [200] * 50
    assert len(server.asked) == 2
    assert await gateway.judge("good") == 401


async def test_a_removed_key_is_refused_in_time_although_nobody_asks_for_a_new_one(server: IssuerServer) -> None:
    gateway = gateway_of(server)
    server.publish(a_jwk("good"), a_jwk("old"))
    assert await gateway.judge("old") == 200
    server.publish(a_jwk("good"))
    gateway.clock.advance(FRESH_SECONDS)
    assert await gateway.judge("old") == 401
    server.pages["/jwks"] = answer(b"", status=500)
    gateway.clock.advance(FRESH_SECONDS)
    assert await gateway.judge("good") == 200
    assert await gateway.judge("old") == 503, "the issuer cannot be asked: not 200, whatever else"


async def test_rotation_under_load_refuses_no_good_token(server: IssuerServer) -> None:
    gateway = gateway_of(server)
    for turn in range(20):
        server.publish(a_jwk(f"turn-{turn}"))
        assert await asyncio.gather(*(gateway.judge(f"turn-{turn}") for _ in range(20))) == [200] * 20
        gateway.clock.advance(3)


async def test_ten_thousand_made_up_names_cost_one_fetch(server: IssuerServer) -> None:
    gateway = gateway_of(server)
    await gateway.judge("good")
    storm = (gateway.keys.find("ES256", f"made-up-{n}") for n in range(10_000))
    assert set(await asyncio.gather(*storm)) == {NO_SUCH_KEY}
    assert len(server.asked) == 2
    gateway.clock.advance(COOL_DOWN_SECONDS - 1)
    assert await gateway.keys.find("ES256", "one more") is NO_SUCH_KEY
    assert len(server.asked) == 2


async def test_a_file_that_breaks_keeps_its_last_good_keys(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(jwks(a_jwk("good")))
    gateway = Gateway(FileSource("corp", str(file), read_keys))
    assert await gateway.judge("good") == 200
    file.write_bytes(jwks(a_jwk("new"))[:-30])
    gateway.clock.advance(FRESH_SECONDS)
    assert await gateway.judge("good") == 200
    file.write_bytes(jwks(a_jwk("new")))
    gateway.clock.advance(30)
    assert await gateway.judge("new") == 200
    assert await gateway.judge("good") == 401
