"""Wycheproof's JSON-web vectors at the JWS layer, with our own verdicts on eight of them, and the JOSE cookbook."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway_auth.adapters.issuers.signatures import unexpected_failures
from gateway_auth.core.jose import Rejected, UnverifiedToken, parse_compact, split_jws
from tests.vectors.judge import is_signed, keys_of
from tests.vectors.shared import files, load, wycheproof

SIGNED = [name for name in files("wycheproof/json_web_*_test.json") if "encryption" not in name]
COMPACT = files("jose-cookbook/jws/*.json") + files("jose-cookbook/curve25519/jws.json")
ENCRYPTED = files("jose-cookbook/jwe/*.json") + files("jose-cookbook/curve25519/ecdh-es.json")
UNENCODED = files("jose-cookbook/rfc7797/*.json")


def overridden(name: str) -> dict[int, str]:
    """Our verdicts where they differ, by test."""
    overlay = load("wycheproof/strict_overlay.json")
    return {entry["tcId"]: entry["ours"] for entry in overlay["overrides"]} if name.endswith(overlay["file"]) else {}


def jwks_of(group: dict[str, Any]) -> dict[str, Any]:
    """What a verifier of this group is given."""
    keys = group.get("public", group["private"])
    return keys if "keys" in keys else {"keys": [keys]}


@pytest.mark.parametrize("name", SIGNED)
def test_every_signed_vector_gets_our_verdict(name: str) -> None:
    ours, before = overridden(name), unexpected_failures()
    wrong = [
        (test["tcId"], test["comment"])
        for group, test in wycheproof(name)
        if "jws" in test
        and is_signed(_bytes(test["jws"]), keys_of(jwks_of(group)))
        is not (ours.get(test["tcId"], test["result"]) == "valid")
    ]
    assert wrong == []
    assert unexpected_failures() == before


@pytest.mark.parametrize("name", files("wycheproof/json_web_*_test.json"))
def test_nothing_encrypted_is_ever_read(name: str) -> None:
    tokens = [_bytes(test["jwe"]) for _, test in wycheproof(name) if "jwe" in test]
    assert [token for token in tokens if not isinstance(split_jws(token), Rejected)] == []


@pytest.mark.parametrize("name", SIGNED)
def test_no_vector_is_a_jwt(name: str) -> None:
    tokens = [_bytes(test["jws"]) for _, test in wycheproof(name) if "jws" in test]
    assert [token for token in tokens if isinstance(parse_compact(token), UnverifiedToken)] == []


@pytest.mark.parametrize("name", COMPACT)
def test_the_compact_examples_of_the_cookbook_are_signed_and_other_forms_refused(name: str) -> None:
    example = load(name)
    output = example["output"]
    keys = example["input"]["key"]
    for key in keys if isinstance(keys, list) else [keys]:
        private = {"d", "p", "q", "dp", "dq", "qi"}
        public = {member: value for member, value in key.items() if member not in private}
        algorithm = example["input"]["alg"]
        algorithms = algorithm if isinstance(algorithm, list) else [algorithm]
        verifiers = keys_of({"keys": [{"alg": algorithms[0], **public} if key["kty"] == "oct" else public]}, algorithms)
        if "compact" in output:
            is_whole = "detached" not in name
            assert is_signed(output["compact"].encode(), verifiers) is is_whole
    for form in ("json", "json_flat"):
        if form in output:
            assert isinstance(split_jws(json.dumps(output[form]).encode()), Rejected)


@pytest.mark.parametrize("name", UNENCODED)
def test_payloads_that_are_not_encoded_are_refused(name: str) -> None:
    example = load(name)
    output, signing = example["output"], example["signing"]
    assert isinstance(split_jws(f"{signing['sig-input']}.{signing['sig']}".encode()), Rejected)
    assert isinstance(split_jws(f"{signing['protected_b64u']}..{signing['sig']}".encode()), Rejected)
    for value in output.values():
        text = value if isinstance(value, str) else json.dumps(value)
        assert isinstance(split_jws(text.encode()), Rejected)


@pytest.mark.parametrize("name", ENCRYPTED)
def test_the_encrypted_examples_of_the_cookbook_are_refused(name: str) -> None:
    for value in load(name)["output"].values():
        text = value if isinstance(value, str) else json.dumps(value)
        assert isinstance(split_jws(text.encode()), Rejected)


@pytest.mark.parametrize("name", files("jose-cookbook/6.*.json"))
def test_a_signed_token_inside_an_encrypted_one_is_refused(name: str) -> None:
    outer = load(name)["encrypt"]["output"]["compact"]
    assert isinstance(split_jws(outer.encode()), Rejected)


def _bytes(token: object) -> bytes:
    """A token as it comes; some vectors are in JSON serialisation."""
    return (token if isinstance(token, str) else json.dumps(token)).encode()
