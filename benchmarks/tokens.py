"""What bearer tokens cost in process: one that is remembered, and one that nobody has seen."""

from __future__ import annotations

import asyncio
import hmac
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from statistics import median

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.figure import Figure, Sizes, show, summarize
from benchmarks.hot_path import Published
from benchmarks.in_process import BATCH, Bench
from benchmarks.mounted import opened
from benchmarks.signing import AUDIENCE, ISSUER, SECRET, PrivateKey, Signer, key_set
from benchmarks.world import bare_app, bearer
from gateway_auth.adapters.issuers.key_sets import key_set_reader
from gateway_auth.adapters.issuers.signatures import hmac_key
from gateway_auth.bootstrap import Gateway
from gateway_auth.bootstrap.issuer_source import IssuerSource
from gateway_auth.core.credential import CredentialKind, Jwt
from gateway_auth.core.issuer import Algorithm, Issuer
from gateway_auth.core.token import VerifiedToken

PUBLIC: tuple[Algorithm, ...] = ("RS256", "ES256", "Ed25519")
_KINDS: frozenset[CredentialKind] = frozenset(("jwt",))


def run(sizes: Sizes) -> list[Figure]:
    """The figures of `tokens`."""
    return asyncio.run(_run(sizes))


async def _run(sizes: Sizes) -> list[Figure]:
    signers = {algorithm: Signer(algorithm) for algorithm in (*PUBLIC, "HS256")}
    algorithms: tuple[Algorithm, ...] = (*PUBLIC, "EdDSA")
    keys = key_set_reader("corp", algorithms)(key_set(*(signers[name] for name in PUBLIC)))
    published = Published(*keys, hmac_key(SECRET, "HS256", "HS256"))
    rules = Issuer(id="corp", issuer=ISSUER, audiences=frozenset((AUDIENCE,)), algorithms=(*algorithms, "HS256"))
    sections = {"issuers": [{"id": "corp", "issuer": ISSUER, "audiences": [AUDIENCE]}]}
    async with opened(sections, [IssuerSource(rules=rules, keys=published)]) as (gateway, _):
        figures = await _remembered(Bench(gateway, bearer(signers["RS256"].token())), sizes)
        for algorithm in (*PUBLIC, "HS256"):
            figures += await _first_sight(gateway, signers[algorithm], sizes)
    return figures


async def _remembered(bench: Bench, sizes: Sizes) -> list[Figure]:
    """A token the worker has seen before."""
    await bench.round(bench.guarded, BATCH * 4)
    bare, guarded = [], []
    for _ in range(sizes.rounds):
        bare.append(await bench.round(bare_app, sizes.requests))
        guarded.append(await bench.round(bench.guarded, sizes.requests))
    await bench.refuse_refusals()
    added = [with_it - without for with_it, without in zip(guarded, bare, strict=True)]
    note = f"RS256, {len(bench.credential[1])} bytes; best with less best without {show(min(guarded) - min(bare))}"
    return [summarize("tokens.added", added, note=note)]


async def _first_sight(gateway: Gateway, signer: Signer, sizes: Sizes) -> list[Figure]:
    """A token nobody has seen, proven in memory; beside the bare signature check of the library."""
    verify = gateway.engine.tokens.recall if gateway.engine.tokens is not None else None
    assert verify is not None
    ours, theirs = [], []
    for _ in range(sizes.rounds):
        tokens = [Jwt(signer.token().encode()) for _ in range(sizes.first_sights)]
        await asyncio.sleep(0.002)
        started = time.process_time()
        proven = [verify(token, _KINDS) for token in tokens]
        ours.append((time.process_time() - started) / len(tokens) * 1e6)
        if not all(isinstance(token, VerifiedToken) for token in proven):
            raise AssertionError(f"measured refusals: {proven[:3]}")
        theirs.append(_bare_verify(signer, tokens))
    name = signer.algorithm.lower()
    if signer.algorithm == "HS256":
        return [summarize("tokens.hs256", ours, note=f"one bare HMAC of it {show(median(theirs))} µs")]
    ratios = [mine / bare for mine, bare in zip(ours, theirs, strict=True)]
    return [summarize(f"tokens.{name}", ratios, note=f"{show(median(ours))} µs, bare {show(median(theirs))} µs")]


def _bare_verify(signer: Signer, tokens: list[Jwt]) -> float:
    """CPU microseconds of the library's verification alone: key, bytes and signature are ready."""
    check = _checker(signer.key)
    signed = [_signed(signer, token) for token in tokens]
    started = time.process_time()
    for message, signature in signed:
        check(signature, message)
    return (time.process_time() - started) / len(signed) * 1e6


def _signed(signer: Signer, token: Jwt) -> tuple[bytes, bytes]:
    """Message and signature as the library takes them."""
    message, _, segment = token.presented.rpartition(b".")
    if isinstance(signer.key, ec.EllipticCurvePrivateKey):
        return message, signer.key.sign(message, ec.ECDSA(hashes.SHA256()))
    return message, urlsafe_b64decode(segment + b"==")


def _checker(key: PrivateKey | bytes) -> Callable[[bytes, bytes], object]:
    if isinstance(key, bytes):
        return lambda signature, message: hmac.compare_digest(hmac.digest(key, message, "sha256"), signature)
    if isinstance(key, Ed25519PrivateKey):
        return key.public_key().verify
    if isinstance(key, rsa.RSAPrivateKey):
        public, pad, digest = key.public_key(), padding.PKCS1v15(), hashes.SHA256()
        return lambda signature, message: public.verify(signature, message, pad, digest)
    point, scheme = key.public_key(), ec.ECDSA(hashes.SHA256())
    return lambda signature, message: point.verify(signature, message, scheme)
