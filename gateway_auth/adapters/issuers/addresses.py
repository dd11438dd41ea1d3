"""Which addresses of an issuer may be asked at all. It asks none."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

MAX_CHARACTERS = 2048
# urlsplit drops tabs and line breaks, and browsers read a backslash as a slash: neither gets that far.
_PRINTABLE = re.compile(r"[!-~]+")
_LOOPBACK = re.compile(r"localhost|127(?:\.[0-9]{1,3}){3}|::1")
_METADATA_NAMES = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")


def explain_unfit(address: str, *, allow_plain: bool = True) -> str | None:
    """Why `address` must not be asked; None when it may be. Plain http is for loopback, where that is allowed."""
    parts = _split(address)
    if parts is None or not parts.hostname or "@" in parts.netloc or parts.fragment:
        return "is not the address of a document"
    if parts.scheme == "https" or (parts.scheme == "http" and allow_plain and _LOOPBACK.fullmatch(parts.hostname)):
        return None
    return "is not https"


def is_on_loopback(address: str) -> bool:
    """Whether only this machine answers there."""
    parts = _split(address)
    return parts is not None and _LOOPBACK.fullmatch(parts.hostname or "") is not None


def without_query(address: str) -> str:
    """For people to read: a query may hold a secret."""
    return address.partition("?")[0]


def metadata_addresses(issuer: str) -> tuple[str, str]:
    """Where an issuer's metadata is: by OpenID Connect Discovery section 4.1, then by RFC 8414 section 3.

    OpenID providers append, RFC 8414 inserts between host and path; the first is what nearly everybody serves.
    """
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    openid, oauth = _METADATA_NAMES
    return f"{origin}{path}{openid}", f"{origin}{oauth}{path}"


def _split(address: str) -> SplitResult | None:
    if len(address) > MAX_CHARACTERS or not _PRINTABLE.fullmatch(address) or "\\" in address:
        return None
    try:
        parts = urlsplit(address)
        return parts if parts.port != 0 else None
    except ValueError:
        return None
