"""Which request header means what: decided once per header name, then remembered.

A name is an identity or re-routing header when it is one in any letter case and with `_` for `-`: servers
behind CGI or WSGI conventions cannot tell the two apart. A credential counts only under its exact name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gateway_auth.core.memo import Memo

PLAIN: Final = 0
"""Means nothing here and goes on. Positive kinds mean something and go on; negative ones do not go on."""

HOST: Final = 1
ORIGIN: Final = 2
REFERER: Final = 3
CLIENT_ADDRESS: Final = 4
ANDROID_PACKAGE: Final = 5
ANDROID_CERT: Final = 6
IOS_BUNDLE: Final = 7
PREFLIGHT_METHOD: Final = 8
FORWARDED_PROTO: Final = 9
CONTENT_LENGTH: Final = 10
TRANSFER_ENCODING: Final = 11

DROPPED: Final = -1
AUTHORIZATION: Final = -2
API_KEY: Final = -3
REQUEST_ID: Final = -4
REPEATED_CREDENTIAL: Final = -5
"""Not a header: notes that a credential header came twice with a value."""

_KNOWN = {
    b"host": HOST,
    b"authorization": AUTHORIZATION,
    b"origin": ORIGIN,
    b"referer": REFERER,
    b"x-android-package": ANDROID_PACKAGE,
    b"x-android-cert": ANDROID_CERT,
    b"x-ios-bundle-identifier": IOS_BUNDLE,
    b"access-control-request-method": PREFLIGHT_METHOD,
    b"x-forwarded-proto": FORWARDED_PROTO,
    b"x-request-id": REQUEST_ID,
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
}

_NO_LOOK_ALIKES = frozenset((b"authorization", b"x-request-id", b"content-length", b"transfer-encoding"))

ALWAYS_STRIPPED = ("x-auth-*",)
DEFAULT_STRIPPED = (
    "x-consumer-*", "x-credential-*", "x-user-*", "x-authenticated-*",
    "x-forwarded-user", "x-forwarded-email", "x-forwarded-groups", "x-forwarded-preferred-username",
    "remote-user", "x-remote-user",
    "x-original-url", "x-rewrite-url", "x-http-method-override", "x-http-method", "x-method-override",
)  # fmt: skip


class HeaderTable(Memo[bytes, int]):
    """`table[name]` is one of the numbers above, for a header name as the server hands it over."""

    __slots__ = ("_address", "_api_keys", "_look_alikes", "_stripped_names", "_stripped_prefixes")

    def __init__(self, api_key_headers: Iterable[str], client_address_header: str, stripped: Iterable[str]) -> None:
        super().__init__(self._classify, max_entries=1024, max_length=64)
        self._api_keys = {name.lower().encode("ascii") for name in api_key_headers}
        self._look_alikes = {_folded(name) for name in self._api_keys} | _NO_LOOK_ALIKES
        self._address = client_address_header.lower().encode("ascii")
        patterns = [pattern.lower().replace("_", "-").encode("ascii") for pattern in (*ALWAYS_STRIPPED, *stripped)]
        self._stripped_names = {pattern for pattern in patterns if not pattern.endswith(b"*")}
        self._stripped_prefixes = tuple(pattern[:-1] for pattern in patterns if pattern.endswith(b"*"))

    def _classify(self, name: bytes) -> int:
        exact = name.lower()
        if exact in self._api_keys:
            return API_KEY
        # The configured source of the client's address must be read even when its family is stripped.
        if exact == self._address:
            return CLIENT_ADDRESS
        folded = _folded(exact)
        if folded in self._stripped_names or folded.startswith(self._stripped_prefixes):
            return DROPPED
        if exact in _KNOWN:
            return _KNOWN[exact]
        # A look-alike of what is removed or decides framing is nothing to us but may be something to the upstream.
        return DROPPED if folded in self._look_alikes else PLAIN


def _folded(name: bytes) -> bytes:
    return name.replace(b"_", b"-").strip()
