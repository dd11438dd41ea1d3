"""Scopes and roles out of the claims of a token, in the shapes providers give them. They add, and never refuse.

A string holds names with spaces between (RFC 6749 section 3.3), an array one name per string: Entra, Okta and Keycloak
differ in this. What is no scope or role name is left out: it can match nothing a route asks for, and must not become
an empty name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from gateway_auth.core.memo import Memo
from gateway_auth.core.roles import parse_role
from gateway_auth.core.scopes import parse_granted

MAX_GRANTS = 256
"""How many scopes, and how many roles, one token may name."""

Names = frozenset[str]
_NONE: Names = frozenset()


def scopes_in(claims: Mapping[str, object], paths: Iterable[str]) -> Names | None:
    """The scopes all these claims hold together; None when they are too many."""
    return _collect(claims, paths, _SCOPES_OF_TEXT, _SCOPE)


def roles_in(claims: Mapping[str, object], paths: Iterable[str]) -> Names | None:
    """The roles all these claims hold together; None when they are too many."""
    return _collect(claims, paths, _ROLES_OF_TEXT, _ROLE)


def find_claim(claims: Mapping[str, object], path: str) -> object | None:
    """The claim of that name, else what stands at that path: `a.b` inside the object `a`. None where there is none."""
    if path in claims or "." not in path:
        return claims.get(path)
    value: object = claims
    for name in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _collect(
    claims: Mapping[str, object], paths: Iterable[str], of_text: Mapping[str, Names], of_name: Mapping[str, Names]
) -> Names | None:
    found = _NONE
    for path in paths:
        value = find_claim(claims, path)
        if isinstance(value, str):
            names = of_text[value]
        elif isinstance(value, list):
            names = _NONE.union(*[of_name[name] for name in value if isinstance(name, str)])
        else:
            continue
        found = found | names if found else names
    return found if len(found) <= MAX_GRANTS else None


def _one(parse: Callable[[str], str]) -> Callable[[str], Names]:
    def names_in(text: str) -> Names:
        try:
            return frozenset((parse(text),))
        except ValueError:
            return _NONE

    return names_in


def _several(of_name: Mapping[str, Names]) -> Callable[[str], Names]:
    return lambda text: _NONE.union(*[of_name[name] for name in text.split(" ")])


# Many tokens hold the same few texts. Only what an issuer signed gets this far; the bounds hold all the same.
_SCOPE: Memo[str, Names] = Memo(_one(parse_granted), max_entries=4096, max_length=128)
_ROLE: Memo[str, Names] = Memo(_one(parse_role), max_entries=4096, max_length=128)
_SCOPES_OF_TEXT: Memo[str, Names] = Memo(_several(_SCOPE), max_entries=1024, max_length=512)
_ROLES_OF_TEXT: Memo[str, Names] = Memo(_several(_ROLE), max_entries=1024, max_length=512)
