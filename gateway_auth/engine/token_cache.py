"""Remembers tokens that were proven: who they speak for, never what was decided. What failed is not remembered here."""

from __future__ import annotations

from collections.abc import Callable

from gateway_auth.core.memo import Generations
from gateway_auth.core.token import VerifiedToken

MAX_TOKENS = 16_384
REMEMBER_SECONDS = 300.0
"""Also bounded by the token's own end, and by how long the key that proved it may be used."""


class CachedToken:
    """A proven token, to be proven again from `dies_at` (monotonic seconds) on."""

    __slots__ = ("dies_at", "token")

    def __init__(self, token: VerifiedToken, dies_at: float) -> None:
        self.token = token
        self.dies_at = dies_at


class TokenCache:
    """Proven tokens by fingerprint. `known` is looked into directly on the hot path."""

    def __init__(self, max_tokens: int = MAX_TOKENS) -> None:
        self.known: Generations[bytes, CachedToken] = Generations(max_tokens)

    def put(self, fingerprint: bytes, token: VerifiedToken, dies_at: float) -> None:
        """Remember a token."""
        self.known.put(fingerprint, CachedToken(token, dies_at))

    def discard_where(self, is_unwanted: Callable[[VerifiedToken], bool]) -> None:
        """Forget every token of which that is true; looks at all of them."""
        self.known.discard_where(lambda entry: is_unwanted(entry.token))

    def __len__(self) -> int:
        return self.known.held()
