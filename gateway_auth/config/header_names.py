"""Names of headers that operators choose: where a key may travel, who names the client, what is removed."""

from __future__ import annotations

import re
from collections.abc import Iterable

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_STRIPPED = re.compile(r"[!#$%&'+.^_`|~0-9A-Za-z-]{1,64}\*?")

# Headers with a meaning of their own: neither an API key nor the client's address can travel in them.
_RESERVED = frozenset((
    "accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "cookie",
    "expect", "host", "keep-alive", "origin", "proxy-authenticate", "proxy-authorization", "range", "referer",
    "set-cookie", "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "via", "x-android-cert",
    "x-android-package", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto",
    "x-ios-bundle-identifier", "x-request-id",
))  # fmt: skip
_RESERVED_FAMILIES = ("x-auth-", "sec-", "access-control-")
_ADDRESS_HEADERS = ("forwarded", "x-forwarded-for")

# What the gateway must see of a request itself; a pattern that strips one of them would blind it.
_NEEDED = (
    "host", "authorization", "origin", "referer", "content-length", "content-type", "transfer-encoding",
    "connection", "upgrade", "x-forwarded-proto", "x-request-id", "access-control-request-method",
    "x-android-package", "x-android-cert", "x-ios-bundle-identifier",
)  # fmt: skip


def check_key_header(text: str) -> str:
    """A header an API key may travel in."""
    name = _header_name(text, "x-api-key")
    if name == "authorization":
        raise ValueError("is always read, as Bearer and ApiKey; it needs no entry")
    if name in (*_RESERVED, *_ADDRESS_HEADERS) or name.startswith(_RESERVED_FAMILIES):
        raise ValueError('has another meaning in HTTP or here; write for example "x-api-key"')
    return text


def check_address_header(text: str) -> str:
    """The header a trusted proxy names the client in."""
    name = _header_name(text, "x-forwarded-for")
    if name == "authorization" or name in _RESERVED or name.startswith(_RESERVED_FAMILIES):
        raise ValueError('names no client; write "x-forwarded-for", "forwarded" or one such as "cf-connecting-ip"')
    return text


def _header_name(text: str, example: str) -> str:
    if not _HEADER.fullmatch(text):
        raise ValueError(f'is not a header name; write for example "{example}"')
    return text.lower()


def check_stripped(text: str) -> str:
    """A header name to remove, or a family of them, `x-user-*`."""
    if not _STRIPPED.fullmatch(text):
        raise ValueError('is neither a header name nor a family; write for example "x-user-id" or "x-user-*"')
    folded = text.lower().replace("_", "-")
    hit = [name for name in _NEEDED if name == folded or (folded.endswith("*") and name.startswith(folded[:-1]))]
    if hit:
        raise ValueError(f'would also remove "{hit[0]}", which the gateway needs; write narrower families')
    return text


def names_folded(values: Iterable[str]) -> list[str]:
    """Header names as they compare: without regard to letter case."""
    return [value.lower() for value in values]
