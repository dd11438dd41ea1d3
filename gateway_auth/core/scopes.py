"""The scope grammar: RFC 6749 section 3.3 tokens, and one wildcard, a trailing `:*` of a granted scope."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_SCOPE = 128
_TOKEN = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")


def parse_demanded(text: str) -> str:
    """A scope a route asks for: no wildcard. Raises ValueError."""
    if "*" in text:
        raise ValueError(f'"{text[:64]}": a demanded scope names one permission and takes no "*"')
    return _parse_token(text)


def parse_granted(text: str) -> str:
    """A scope a key or role holds: `orders:read` or `orders:*`. Raises ValueError."""
    token = _parse_token(text)
    stem = token[:-1] if token.endswith(":*") else token
    if "*" in stem or stem == ":":
        raise ValueError(f'"{text[:64]}": "*" may only stand alone after a last ":", as in "orders:*"')
    return token


def _parse_token(text: str) -> str:
    if len(text) > MAX_SCOPE or not _TOKEN.fullmatch(text):
        raise ValueError(
            f'"{text[:64]}" is not a scope: 1 to {MAX_SCOPE} printable characters without space, quote or backslash'
        )
    return text


class ScopeSet:
    """Granted scopes, compiled: `covers` answers without looking at wildcards when none is needed."""

    __slots__ = ("exact", "prefixes")

    def __init__(self, granted: Iterable[str]) -> None:
        self.exact = frozenset(granted)
        self.prefixes = tuple(sorted(scope[:-1] for scope in self.exact if scope.endswith(":*")))

    def __contains__(self, demanded: object) -> bool:
        return demanded in self.exact or (isinstance(demanded, str) and demanded.startswith(self.prefixes))

    def covers_all(self, demanded: frozenset[str]) -> bool:
        """Whether every demanded scope is granted."""
        if demanded <= self.exact:
            return True
        return bool(self.prefixes) and all(scope in self for scope in demanded)

    def covers_any(self, demanded: frozenset[str]) -> bool:
        """Whether at least one demanded scope is granted."""
        return any(scope in self for scope in demanded)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ScopeSet) and self.exact == other.exact

    def __hash__(self) -> int:
        return hash(self.exact)

    def __repr__(self) -> str:
        return f"ScopeSet({sorted(self.exact)!r})"
