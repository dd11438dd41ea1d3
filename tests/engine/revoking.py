"""Tokens and what takes them back, for the tests of the engine."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from gateway_auth.core.principal import ANONYMOUS
from gateway_auth.core.token import Revocation, VerifiedToken, token_digest
from tests.fakes import START

ISSUER = "https://idp.example"
PRESENTED = b"a.b.c"
_serial = count(1)


def a_token(**changes: Any) -> VerifiedToken:
    """A proven token of alice."""
    return VerifiedToken(**{
        "principal": ANONYMOUS, "issuer_id": "corp", "issuer": ISSUER, "subject": "alice", "token_id": "jti-1",
        "issued_at": START - 10, "usable_from": START - 10, "usable_until": START + 300,
        "digest": token_digest(PRESENTED), **changes,
    })  # fmt: skip


def a_revocation(**changes: Any) -> Revocation:
    """One of alice's token, each call with another id."""
    return Revocation(**{
        "id": f"rev_{next(_serial)}", "kind": "jti", "value": "jti-1",
        "revoked_at": START, "expires_at": START + 3600, **changes,
    })  # fmt: skip


class Remembering:
    """Who remembers proven tokens, as `TokenCache` does."""

    def __init__(self, *tokens: VerifiedToken) -> None:
        self.tokens = list(tokens)
        self.asked = 0

    def evict(self, is_unwanted: Callable[[VerifiedToken], bool]) -> None:
        self.asked += 1
        self.tokens = [token for token in self.tokens if not is_unwanted(token)]
