"""JSONTestSuite through the parser of untrusted objects, and the list of known secrets through the examiner of ours."""

from __future__ import annotations

import json

import pytest

from gateway_auth.core.strict_json import parse_object
from gateway_auth.core.weak_secrets import MIN_SECRET_BYTES, explain_weak_secret
from tests.vectors.shared import files, json_suite, path_of

SUITE = files("json-test-suite/cases.jsonl")
# RFC 8259 leaves what these mean to the reader, so the suite accepts them and we do not.
AMBIGUOUS = {"test_parsing/y_object_duplicated_key.json", "test_parsing/y_object_duplicated_key_and_value.json"}


@pytest.mark.parametrize("name", SUITE)
def test_json_objects_are_read_and_nothing_else_is(name: str) -> None:
    wrong = []
    for file, expect, data in json_suite():
        parsed = parse_object(data)
        if expect == "accept" and file not in AMBIGUOUS:
            value = json.loads(data)
            wrong += [file] if parsed != (value if isinstance(value, dict) else None) else []
        elif expect == "reject" or file in AMBIGUOUS:
            wrong += [file] if parsed is not None else []
    assert wrong == []


@pytest.mark.parametrize("name", SUITE)
def test_where_readers_differ_an_object_is_refused(name: str) -> None:
    members_twice = [data for file, expect, data in json_suite() if expect == "transform" and "_same_" in file]
    assert members_twice
    assert [data for data in members_twice if parse_object(data) is not None] == []


@pytest.mark.parametrize("name", files("weak-secrets/jwt.secrets.list"))
def test_every_secret_of_the_public_list_is_weak(name: str) -> None:
    listed = {line.rstrip(b"\r\n") for line in path_of(name).read_bytes().splitlines()}
    long_enough = {secret for secret in listed if len(secret) >= MIN_SECRET_BYTES["HS256"]}
    assert len(long_enough) > 1000
    assert [secret for secret in listed if explain_weak_secret(secret, "HS256") is None] == []
