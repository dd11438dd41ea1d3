"""The algebra of scopes: exact tokens, and `:*` at the end of a granted one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.scopes import MAX_SCOPE, ScopeSet, parse_demanded, parse_granted

# (granted, demanded, expected)
COVERED = {
    "itself": ("items:read", "items:read", True),
    "a longer name": ("items:read", "items:read-all", False),
    "a shorter name": ("items:read-all", "items:read", False),
    "another case": ("items:read", "items:Read", False),
    "below the wildcard": ("items:*", "items:read", True),
    "deep below the wildcard": ("items:*", "items:read:own", True),
    "the stem with its colon": ("items:*", "items:", True),
    "the stem alone": ("items:*", "items", False),
    "beside the wildcard": ("items:*", "items2:read", False),
    "a deeper wildcard": ("items:read:*", "items:read", False),
    "below a deeper wildcard": ("items:read:*", "items:read:own", True),
    "nothing but a wildcard": ("*", "items:read", False),
    "no wildcard inside": ("items*", "items:read", False),
}

tokens = st.lists(st.sampled_from(["a", "b", "ab", ""]), min_size=1, max_size=4).map(":".join).filter(bool)
granted_scopes = st.builds(lambda token, is_wild: f"{token}:*" if is_wild else token, tokens, st.booleans())


@pytest.mark.parametrize(("granted", "demanded", "expected"), COVERED.values(), ids=COVERED)
def test_a_granted_scope_covers_itself_or_what_its_wildcard_says(granted: str, demanded: str, expected: bool) -> None:
    scopes = ScopeSet([granted])
    assert (demanded in scopes) is expected
    assert scopes.covers_all(frozenset((demanded,))) is expected
    assert scopes.covers_any(frozenset((demanded,))) is expected


@given(st.lists(granted_scopes, max_size=5), st.lists(tokens, max_size=4))
def test_covering_is_what_the_definition_says(granted: list[str], demanded: list[str]) -> None:
    def is_covered(scope: str) -> bool:
        return any(scope == held or (held.endswith(":*") and scope.startswith(held[:-1])) for held in granted)

    scopes = ScopeSet(granted)
    assert scopes.covers_all(frozenset(demanded)) is all(map(is_covered, demanded))
    assert scopes.covers_any(frozenset(demanded)) is any(map(is_covered, demanded))


@given(st.lists(granted_scopes, max_size=5), st.lists(granted_scopes, max_size=5), st.frozensets(tokens, max_size=4))
def test_more_granted_never_covers_less(first: list[str], more: list[str], demanded: frozenset[str]) -> None:
    if ScopeSet(first).covers_all(demanded):
        assert ScopeSet([*first, *more]).covers_all(demanded)
    if ScopeSet(first).covers_any(demanded):
        assert ScopeSet([*more, *first]).covers_any(demanded)


@given(st.lists(granted_scopes, max_size=5), st.frozensets(tokens, max_size=4), st.frozensets(tokens, max_size=4))
def test_all_of_a_union_is_all_of_both(granted: list[str], left: frozenset[str], right: frozenset[str]) -> None:
    scopes = ScopeSet(granted)
    assert scopes.covers_all(left | right) is (scopes.covers_all(left) and scopes.covers_all(right))
    assert scopes.covers_any(left | right) is (scopes.covers_any(left) or scopes.covers_any(right))


def test_no_scope_demanded_is_covered_and_none_of_none_is_not() -> None:
    assert ScopeSet([]).covers_all(frozenset())
    assert not ScopeSet(["a"]).covers_any(frozenset())
    assert not ScopeSet([]).covers_all(frozenset(("a",)))


def test_only_text_can_be_a_scope() -> None:
    assert 3 not in ScopeSet(["a:*"])
    assert None not in ScopeSet(["a"])


def test_sets_are_equal_by_what_was_granted() -> None:
    assert ScopeSet(["b", "a"]) == ScopeSet(["a", "b", "a"]) != ScopeSet(["a"])
    assert hash(ScopeSet(["b", "a"])) == hash(ScopeSet(["a", "b"]))
    assert ScopeSet(["a"]) != {"a"}
    assert repr(ScopeSet(["b", "a"])) == "ScopeSet(['a', 'b'])"


@pytest.mark.parametrize(
    "text", ["orders:read", "orders:*", "a:b:*", "https://example.com/scope", "!#[]^~", "a" * MAX_SCOPE]
)
def test_a_granted_scope_is_a_token_or_ends_in_a_wildcard(text: str) -> None:
    assert parse_granted(text) == text


@pytest.mark.parametrize(
    "text", ["*", ":*", "orders*", "or*ders", "*:read", "orders:*:read", "orders:**", "*:*", "a:*b"]
)
def test_no_other_wildcard_is_granted(text: str) -> None:
    with pytest.raises(ValueError, match="may only stand alone"):
        parse_granted(text)


@pytest.mark.parametrize("parse", [parse_granted, parse_demanded], ids=["granted", "demanded"])
@pytest.mark.parametrize("text", ["", " ", "a b", 'a"b', "a\\b", "a\n", "ä", "a\0", "a" * (MAX_SCOPE + 1)])
def test_what_is_no_token_is_no_scope(parse: object, text: str) -> None:
    assert callable(parse)
    with pytest.raises(ValueError, match="is not a scope"):
        parse(text)


def test_a_demanded_scope_has_no_wildcard() -> None:
    assert parse_demanded("orders:read") == "orders:read"
    with pytest.raises(ValueError, match="takes no"):
        parse_demanded("orders:*")


@given(st.text(max_size=20))
def test_whatever_is_accepted_stands_in_a_header_unescaped(text: str) -> None:
    try:
        token = parse_granted(text)
    except ValueError:
        return
    assert token == text
    assert text.isascii()
    assert text.isprintable()
    assert not set(text) & set(' "\\')
