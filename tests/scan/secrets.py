"""Secrets to be found, made from numbers: none stands in a file of this repository."""

from __future__ import annotations

from gateway_auth.core.keyformat import KEY_IDS, SECRETS, KeyFormat, MintedKey, checksum
from gateway_auth.core.leaks import ADMIN_TOKEN, LeakFinder, key_form

FINDER = LeakFinder([key_form("gwk"), ADMIN_TOKEN])


def key(number: int = 1, *, environment: str = "live", prefix: str = "gwk") -> MintedKey:
    """The key of a number."""
    return KeyFormat(prefix).mint(environment, number * 7919 % KEY_IDS, (number + 1) ** 20 % SECRETS)


def admin_token(number: int = 1) -> tuple[str, str]:
    """A token of an administrator, and its id."""
    minted = key(number)
    body = minted.text[:-6].replace("gwk_live_", "gwadm_")
    return body + checksum(body.encode()), minted.key_id


def look_alike(number: int = 1) -> str:
    """As a key, but of a wrong checksum."""
    text = key(number).text
    return text[:-1] + ("0" if text[-1] != "0" else "1")
