"""Fields that came again are read as they were, and whatever else differs is read anew."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.asgi.fields import FieldList, Fields
from gateway_auth.asgi.scope import Reading, ScopeReader
from gateway_auth.asgi.types import Header, Scope
from gateway_auth.config import load
from gateway_auth.core.headers import HOST
from gateway_auth.core.ruleset import RuleSet
from tests.asgi.world import Site

HEADERS: list[list[Header]] = [
    [(b"host", b"api.test"), (b"x-api-key", b"k"), (b"accept", b"*/*"), (b"user-agent", b"t")],
    [(b"host", b"api.test"), (b"x-forwarded-for", b"192.0.2.1"), (b"x-forwarded-proto", b"https"), (b"a", b"b")],
    [(b"host", b"api.test"), (b"x-api-key", b"k"), (b"x-api-key", b"l"), (b"accept", b"*/*")],
    [(b"host", b"a"), (b"host", b"b")],
    [(b"accept", b"*/*")],
]
SCOPES = st.fixed_dictionaries(
    {
        "type": st.just("http"),
        "http_version": st.just("1.1"),
        "method": st.sampled_from(["GET", "HEAD", "DELETE", "OPTIONS", "get", "CONNECT"]),
        "raw_path": st.sampled_from([b"/known", b"/known/%78", b"/a/../known", b"/" + b"a" * 9000, b"/in/known"]),
        "query_string": st.sampled_from([b"", b"a=b", b"x" * 17_000]),
        "client": st.sampled_from([("10.0.0.1", 1), ("192.0.2.9", 2), None]),
        "scheme": st.sampled_from(["http", "https"]),
        "root_path": st.sampled_from(["", "/in"]),
    }
)


@pytest.fixture(scope="session")
def rules(template: Site) -> RuleSet:
    """With a network of trusted proxies."""
    return load(template.config(trusted_proxies=["10.0.0.0/8"])).rules


def with_path(scope: Scope) -> Scope:
    return {**scope, "path": scope["raw_path"].decode().replace("%78", "x")}


def fields_of(headers: list[Header]) -> Fields:
    fields = Fields(headers)
    fields.notes = {}
    return fields


def told(reading: Any) -> Any:
    """What a reading says, without who keeps it."""
    return (reading.facts, reading.path, list(reading.kept)) if isinstance(reading, Reading) else reading


@given(headers=st.sampled_from(HEADERS), scopes=st.lists(SCOPES, min_size=2, max_size=4))
def test_read_as_plain_headers_are(rules: RuleSet, headers: list[Header], scopes: list[dict[str, Any]]) -> None:
    again, plainly, fields = ScopeReader(rules), ScopeReader(rules), fields_of(headers)
    for each in scopes:
        scope = with_path(each)
        expected = told(plainly.read({**scope, "headers": headers}))
        assert told(again.read({**scope, "headers": fields})) == expected
        copy = FieldList(fields)
        copy.fields = fields
        assert told(again.read({**scope, "headers": copy})) == expected


@pytest.mark.parametrize("change", ["append", "replace", "remove", "reorder"])
def test_what_somebody_in_front_changed_counts(rules: RuleSet, change: str) -> None:
    reader, fields = ScopeReader(rules), fields_of(HEADERS[0])
    scope = with_path({"type": "http", "http_version": "1.1", "method": "GET", "raw_path": b"/known",
                       "query_string": b"", "client": ("192.0.2.9", 2), "scheme": "http", "root_path": ""})  # fmt: skip
    assert isinstance(reader.read({**scope, "headers": fields}), Reading)
    headers = FieldList(fields)
    headers.fields = fields
    if change == "append":
        headers.append((b"x-api-key", b"another"))
    elif change == "replace":
        headers[0] = (b"host", b"other.test")
    elif change == "remove":
        del headers[0]
    else:
        headers.reverse()
    plainly = ScopeReader(rules).read({**scope, "headers": list(headers)})
    assert told(reader.read({**scope, "headers": headers})) == told(plainly)
    if change == "replace":
        assert isinstance(plainly, Reading)
        assert plainly.facts.headers[HOST] == b"other.test"


def test_another_configuration_reads_anew(rules: RuleSet) -> None:
    fields = fields_of(HEADERS[1])
    scope = with_path({"type": "http", "http_version": "1.1", "method": "GET", "raw_path": b"/known",
                       "query_string": b"", "client": ("10.0.0.1", 2), "scheme": "http", "root_path": ""})  # fmt: skip
    first, second = ScopeReader(rules), ScopeReader(rules)
    assert told(first.read({**scope, "headers": fields})) == told(second.read({**scope, "headers": fields}))
    assert fields.known is not None
    assert fields.known.reader is second
