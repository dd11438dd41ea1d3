"""Names for new objects, drawn by chance. They are public: what is secret is drawn by `create_key`."""

from __future__ import annotations

from gateway_auth.ports import Random

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH = 16


def new_id(prefix: str, random: Random) -> str:
    """`prefix` and 95 bits: no two are drawn alike, so none is looked up before."""
    return f"{prefix}_" + "".join(_ALPHABET[random.below(len(_ALPHABET))] for _ in range(_LENGTH))
