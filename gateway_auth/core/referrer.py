"""Which web pages a credential may be used from: patterns over Origin and Referer.

The headers are truthful only where a browser sends them, so this narrows the use of a leaked key in web
pages and proves nothing about other clients. A rule that is present and headers that are absent: denied.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from gateway_auth.core.memo import Memo
from gateway_auth.core.path import canonical_path

MAX_HEADER_BYTES = 2048

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])"
_ORIGIN = re.compile(rf"(https?)://({_HOST})(?::([0-9]{{1,5}}))?")
_PATTERN = re.compile(rf"(https?)://((?:\*\.)?{_HOST})(?::([0-9]{{1,5}}))?(/.*)?", re.DOTALL)


class Origin(NamedTuple):
    """Scheme, lower-case host and effective port (RFC 6454 section 4)."""

    scheme: str
    host: str
    port: int


class ReferrerPattern:
    """`https://*.example.com/console/*`: scheme, host, port and optionally a path.

    `*.` stands for exactly one label, as in certificates (RFC 6125 section 6.4.3): the apex and deeper names
    do not match. A path ends in `*` (everything below) or is exact; without one, or with `/`, any page of the origin
    fits.
    """

    __slots__ = ("_host", "_is_prefix", "_is_wildcard", "_path", "_port", "_scheme", "text")

    def __init__(self, text: str) -> None:
        """Raises ValueError, saying what to write, for anything else."""
        match = _PATTERN.fullmatch(text) if len(text) <= MAX_HEADER_BYTES else None
        if match is None:
            raise ValueError(
                f'"{text[:64]}" is not a referrer pattern; write for example "https://*.example.com/console/*"'
            )
        scheme, host, port, path = match.groups()
        self.text = text
        self._scheme = scheme
        self._is_wildcard = host.startswith("*.")
        self._host = host[1:] if self._is_wildcard else host
        self._port = int(port) if port else _DEFAULT_PORTS[scheme]
        self._is_prefix = path is not None and path.endswith("*")
        self._path = path[:-1] if path and self._is_prefix else path
        if "*" in (self._path or "") or self._port > 65535:
            raise ValueError(f'"{text[:64]}": "*" may stand for one leading host label and at the end of the path only')
        if self._path in ("", "/") and (self._is_prefix or path == "/"):
            self._path = None

    def fits(self, origin: Origin | None, page: tuple[Origin, str] | None) -> bool:
        """Whether the origin and the page, each where it is known, are within the pattern. A path needs a page."""
        if origin is not None and not self._matches(origin):
            return False
        if page is None:
            return self._path is None
        if not self._matches(page[0]):
            return False
        return self._path is None or (page[1].startswith(self._path) if self._is_prefix else page[1] == self._path)

    def _matches(self, origin: Origin) -> bool:
        scheme, host, port = origin
        if port != self._port or scheme != self._scheme:
            return False
        if not self._is_wildcard:
            return host == self._host
        label, dot, rest = host.partition(".")
        return label != "" and dot + rest == self._host


def is_referrer_allowed(patterns: tuple[ReferrerPattern, ...], origin: bytes | None, referer: bytes | None) -> bool:
    """Whether every one of the two headers that is present fits one and the same pattern, and one is present."""
    if (origin is None and referer is None) or len(origin or b"") + len(referer or b"") > MAX_HEADER_BYTES:
        return False
    return _ANSWERS[patterns, origin, referer]


def _answer(asked: tuple[tuple[ReferrerPattern, ...], bytes | None, bytes | None]) -> bool:
    patterns, origin, referer = asked
    seen = _parse_origin(origin) if origin is not None else None
    page = _parse_referer(referer) if referer is not None else None
    if (origin is not None and seen is None) or (referer is not None and page is None):
        return False
    return any(pattern.fits(seen, page) for pattern in patterns)


# A browser sends the same page address with every call it makes, and parsing it is most of the cost of this rule.
_ANSWERS: Memo[tuple[tuple[ReferrerPattern, ...], bytes | None, bytes | None], bool] = Memo(_answer)


def _parse_origin(value: bytes) -> Origin | None:
    if len(value) > MAX_HEADER_BYTES or not value.isascii():
        return None
    match = _ORIGIN.fullmatch(value.decode("ascii").lower())
    if match is None:
        return None
    scheme, host, port = match.groups()
    return Origin(scheme, host, int(port) if port else _DEFAULT_PORTS[scheme])


def _parse_referer(value: bytes) -> tuple[Origin, str] | None:
    """Origin and canonical path of a page address; None for userinfo, odd paths and anything unclear."""
    before_query = re.split(rb"[?#]", value, maxsplit=1)[0]
    scheme, separator, rest = before_query.partition(b"://")
    authority, slash, path = rest.partition(b"/")
    origin = _parse_origin(scheme + separator + authority)
    canonical = canonical_path(slash + path) if slash else "/"
    if origin is None or not isinstance(canonical, str):
        return None
    return origin, canonical
