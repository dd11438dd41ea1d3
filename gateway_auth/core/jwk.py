"""The keys of a JWKS document that may verify tokens, by their form alone: no arithmetic on curves, no library.

One key, one algorithm (RFC 8725 section 3.1). What is unusable is left out and told with its reason; the others work.
Only the whole document's form can spoil all keys: a reader who has to guess which of two spellings counts is a hole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from gateway_auth.core.issuer import Algorithm
from gateway_auth.core.jose import is_key_id
from gateway_auth.core.public_key import EDWARDS, Public, WhyUnreadable, fitting_algorithms, read_public
from gateway_auth.core.strict_json import parse_object

MAX_KEYS = 100

WhyRefused = Literal["not_json", "no_keys", "too_many_keys", "shared_and_public_keys"]
"""Why no key of a document is used."""

WhySkipped = Literal[
    WhyUnreadable, "not_an_object", "key_id", "shared_secret", "private_key_published", "use", "key_ops", "algorithm",
    "ambiguous_key_id", "not_a_key",
]  # fmt: skip
"""Why one key is not used. `not_a_key` is what cryptography says later: a point beside its curve."""


class UsableJwk(Struct, frozen=True):
    """A public key and the one algorithm it verifies. A key of two names (Ed25519, EdDSA) is two of these."""

    key_id: str | None
    algorithm: Algorithm
    public: Public


class KeySetReading(Struct, frozen=True):
    """What a document holds. `skipped` names each key left out by `kid`, or its place, with the reason."""

    usable: tuple[UsableJwk, ...] = ()
    skipped: tuple[tuple[str, WhySkipped], ...] = ()
    refused: WhyRefused | None = None


_PRIVATE = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))


def read_jwks(document: bytes, algorithms: Sequence[str], max_keys: int = MAX_KEYS) -> KeySetReading:
    """The keys of `document` for the algorithms of one issuer, in the order it lists them."""
    parsed = parse_object(document)
    if parsed is None:
        return KeySetReading(refused="not_json")
    keys = parsed.get("keys")
    if not isinstance(keys, list):
        return KeySetReading(refused="no_keys")
    if len(keys) > max_keys:
        return KeySetReading(refused="too_many_keys")
    shared = [key for key in keys if isinstance(key, dict) and key.get("kty") == "oct"]
    if shared and len(shared) < len(keys):
        # Nobody publishes secrets on purpose: such a set was put together by mistake or by somebody else.
        return KeySetReading(refused="shared_and_public_keys")
    usable: list[UsableJwk] = []
    skipped: list[tuple[str, WhySkipped]] = []
    for position, key in enumerate(keys):
        found = read_jwk(key, algorithms)
        if isinstance(found, tuple):
            usable.extend(found)
        else:
            skipped.append((_name(key, position), found))
    unambiguous, ambiguous = _without_rivals(usable)
    skipped.extend((key_id, "ambiguous_key_id") for key_id in ambiguous)
    return KeySetReading(unambiguous, tuple(skipped))


def read_jwk(key: object, algorithms: Sequence[str]) -> tuple[UsableJwk, ...] | WhySkipped:
    """One key as often as it has names of algorithms that are allowed, or why it cannot be used."""
    if not isinstance(key, dict):
        return "not_an_object"
    unfit = _explain_unfit(key)
    if unfit is not None:
        return unfit
    public = read_public(key)
    if isinstance(public, str):
        return public
    names = _bind(key, fitting_algorithms(public), algorithms)
    if not names:
        return "algorithm"
    return tuple(UsableJwk(key.get("kid"), name, public) for name in names)


def _explain_unfit(key: Mapping[str, object]) -> WhySkipped | None:
    """What is wrong before the key itself is looked at."""
    if "kid" in key and not is_key_id(key["kid"]):
        return "key_id"
    if key.get("kty") == "oct":
        return "shared_secret"
    if not _PRIVATE.isdisjoint(key):
        # Everybody who read the set can sign with it.
        return "private_key_published"
    if "use" in key and key["use"] != "sig":
        return "use"
    if "key_ops" in key and not _verifies(key["key_ops"]):
        return "key_ops"
    return None


def _verifies(key_ops: object) -> bool:
    """Whether the operations allow verifying, each named once, and nothing a signature key is not for."""
    return key_ops in (["verify"], ["sign", "verify"], ["verify", "sign"])


def _bind(
    key: Mapping[str, object], fitting: tuple[Algorithm, ...], algorithms: Sequence[str]
) -> tuple[Algorithm, ...]:
    """The one algorithm of a key, in each of its names that is allowed: what it says, else the first that fits."""
    named = key.get("alg")
    if "alg" in key and named not in fitting:
        return ()
    if fitting is EDWARDS:
        return tuple(name for name in fitting if name in algorithms)
    choice = named if "alg" in key else next((name for name in algorithms if name in fitting), None)
    return tuple(name for name in fitting if name == choice and name in algorithms)


def _without_rivals(usable: list[UsableJwk]) -> tuple[tuple[UsableJwk, ...], list[str]]:
    """The keys without those that share `kid` and algorithm with another: which one is meant cannot be known.

    A key that is listed twice is no rival of itself. Keys without a `kid` are not told apart by it.
    """
    rivals: defaultdict[tuple[str | None, Algorithm], set[Public]] = defaultdict(set)
    for key in usable:
        rivals[key.key_id, key.algorithm].add(key.public)
    kept = dict.fromkeys(key for key in usable if key.key_id is None or len(rivals[key.key_id, key.algorithm]) == 1)
    ambiguous = dict.fromkeys(
        key_id for (key_id, _), publics in rivals.items() if key_id is not None and len(publics) > 1
    )
    return tuple(kept), list(ambiguous)


def _name(key: object, position: int) -> str:
    key_id = key.get("kid") if isinstance(key, dict) else None
    return key_id if isinstance(key_id, str) and is_key_id(key_id) else f"keys[{position}]"
