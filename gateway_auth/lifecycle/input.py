"""Which values a field of an app, a key or a revocation may have. Text as somebody wrote it in, checked values out.

Every refusal is InvalidInput with the field's public name. It knows no store and no state of an object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Literal

from gateway_auth.core.claims import MAX_NAME
from gateway_auth.core.keys import RequestPattern
from gateway_auth.core.mobile import parse_android, parse_ios
from gateway_auth.core.network import AddressSet
from gateway_auth.core.referrer import ReferrerPattern
from gateway_auth.core.roles import parse_role
from gateway_auth.core.scopes import parse_granted
from gateway_auth.errors import InvalidInput, NotFound

MAX_TEXT = 200
MAX_ITEMS = 100
MAX_GRANTS = 100
MAX_METADATA = 32
MAX_METADATA_TEXT = 256
MAX_PAGE = 1000
MAX_DURATION_SECONDS = 100 * 365 * 86400
NEVER = "never"
"""The life of a key that has no end."""
LAST_SECOND = 253402300799  # 9999-12-31T23:59:59Z, the last time RFC 3339 can write

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION = re.compile(r"([0-9]{1,10})([smhdw])", re.ASCII)
_IN_NO_CLAIM = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ID = re.compile(r"[0-9A-Za-z_]{1,64}", re.ASCII)


def check_text(field: str, text: str, *, may_be_empty: bool = True) -> str:
    """`text` without spaces around it: at most 200 characters that can be seen.

    No control or formatting characters: names end on terminals and in logs, where those give orders or
    reorder what is read. No lone surrogates either, which no database takes.
    """
    trimmed = text.strip(" ")
    if not trimmed and not may_be_empty:
        raise InvalidInput(field, "must not be empty")
    if len(trimmed) > MAX_TEXT:
        raise InvalidInput(field, f"is longer than {MAX_TEXT} characters")
    if not trimmed.isprintable():
        raise InvalidInput(field, "contains a control or formatting character")
    return trimmed


def check_claim(field: str, text: str) -> str:
    """`text` as it may stand in a token (`core.claims`): 1 to 255 characters that end no line, spaces and all."""
    if not text:
        raise InvalidInput(field, "must not be empty")
    if len(text) > MAX_NAME:
        raise InvalidInput(field, f"is longer than {MAX_NAME} characters, which no token is accepted with")
    if _IN_NO_CLAIM.search(text):
        raise InvalidInput(field, "contains a control character or half a surrogate pair")
    return text


def check_id(kind: Literal["app", "key", "admin"], object_id: str) -> str:
    """The id, when it could be one. Anything else cannot exist, and never reaches the store."""
    if not _ID.fullmatch(object_id):
        raise NotFound(f"there is no such {kind}; `gateway-auth {kind}s list` shows all")
    return object_id


def is_id(text: str) -> bool:
    """Whether an object could have it as its id."""
    return _ID.fullmatch(text) is not None


def check_page(limit: int, after: str) -> None:
    """A page has an end, and begins after an id."""
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInput("limit", f"must be from 1 to {MAX_PAGE}")
    if after and not _ID.fullmatch(after):
        raise InvalidInput("after", "is not an id")


def check_environment(text: str) -> Literal["live", "test"]:
    """One of the two."""
    if text == "live":
        return "live"
    if text == "test":
        return "test"
    raise InvalidInput("environment", 'must be "live" or "test"')


def check_scopes(texts: Iterable[str]) -> tuple[str, ...]:
    """Granted scopes."""
    return _check_list("scopes", texts, parse_granted)


def check_scope(text: str) -> str:
    """One granted scope."""
    return _checked("scope", text, parse_granted)


def check_roles(texts: Iterable[str]) -> tuple[str, ...]:
    """Role names; what they stand for is the configuration's business."""
    return _check_list("roles", texts, parse_role)


def check_networks(field: str, texts: Iterable[str]) -> tuple[str, ...]:
    """Addresses and CIDRs. An allow list that lets everybody in is a mistake, or no list."""
    return _check_list(field, texts, _parse_allowed if field == "allow_networks" else _parse_network)


def check_referrers(texts: Iterable[str]) -> tuple[str, ...]:
    """Referrer patterns."""
    return _check_list("allow_referrers", texts, lambda text: ReferrerPattern(text).text)


def check_android(texts: Iterable[str]) -> tuple[str, ...]:
    """Android apps, in canonical form."""
    return _check_list("allow_android", texts, parse_android)


def check_ios(texts: Iterable[str]) -> tuple[str, ...]:
    """Bundle identifiers."""
    return _check_list("allow_ios", texts, parse_ios)


def check_requests(texts: Iterable[str]) -> tuple[str, ...]:
    """Request patterns."""
    return _check_list("allow_requests", texts, lambda text: RequestPattern(text).text)


def check_metadata(entries: Mapping[str, str]) -> dict[str, str]:
    """At most 32 entries of at most 256 visible characters each side."""
    if len(entries) > MAX_METADATA:
        raise InvalidInput("metadata", f"has more than {MAX_METADATA} entries")
    for name, value in entries.items():
        if not name or len(name) > MAX_METADATA_TEXT or len(value) > MAX_METADATA_TEXT:
            raise InvalidInput("metadata", f"names and values have 1 (values 0) to {MAX_METADATA_TEXT} characters")
        if not name.isprintable() or not value.isprintable():
            raise InvalidInput("metadata", "contains a control or formatting character")
    return dict(entries)


def parse_duration(field: str, text: str, *, instead: str = "") -> int:
    """Seconds of `90d`, `12h`, `30m`, `45s` or `2w`. `instead` says what the caller takes besides."""
    match = _DURATION.fullmatch(text)
    seconds = int(match[1]) * _UNIT_SECONDS[match[2]] if match else 0
    if not 1 <= seconds <= MAX_DURATION_SECONDS:
        raise InvalidInput(field, f'must be like "90d", "12h" or "30m", at most 100 years{instead}')
    return seconds


def parse_lifetime(field: str, text: str) -> int | None:
    """Seconds of a duration; None for `never`."""
    return None if text == NEVER else parse_duration(field, text, instead=f', or "{NEVER}"')


def parse_time(field: str, text: str) -> int:
    """UTC epoch seconds of an RFC 3339 time, `t` and `z` small or not (section 5.6).

    With its offset: a bare local time says too little.
    """
    try:
        moment = datetime.fromisoformat(text.upper())
        seconds = int(moment.timestamp()) if moment.tzinfo is not None and "T" in text.upper() else -1
    except (ValueError, OverflowError):
        seconds = -1
    if not 0 <= seconds <= LAST_SECOND:
        raise InvalidInput(field, 'must be a time with its offset, like "2030-01-31T12:00:00Z"')
    return seconds


def format_time(seconds: int) -> str:
    """RFC 3339 in UTC, as everywhere in our answers."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check_list(field: str, texts: Iterable[str], parse: Callable[[str], str]) -> tuple[str, ...]:
    """The parsed items, each once, in the order given."""
    items = list(texts)
    if len(items) > MAX_ITEMS:
        raise InvalidInput(field, f"has more than {MAX_ITEMS} entries")
    return tuple(dict.fromkeys(_checked(field, item, parse) for item in items))


def _checked(field: str, text: str, parse: Callable[[str], str]) -> str:
    if not text.isprintable():
        raise InvalidInput(field, "contains a control or formatting character")
    try:
        return parse(text)
    except ValueError as error:
        raise InvalidInput(field, str(error)) from None


def _parse_network(text: str) -> str:
    AddressSet((text,))
    return text


def _parse_allowed(text: str) -> str:
    if ip_network(_parse_network(text)).prefixlen == 0:
        raise ValueError(f'"{text}" is everybody; leave the list empty to allow every network')
    return text
