"""Which mobile apps a credential may be used from, by the identifiers the app sends with each request.

`X-Android-Package` with `X-Android-Cert`, or `X-Ios-Bundle-Identifier`. Like a referrer these can be copied
by whoever has the app; they narrow the use of a leaked key and prove nothing alone.
"""

from __future__ import annotations

import re

_PACKAGE = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)+")
_BUNDLE = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_SHA1_HEX = re.compile(r"[0-9A-F]{40}")
MAX_IDENTIFIER = 255


def parse_android(text: str) -> str:
    """Canonical `package:SHA1` (hexadecimal, upper case) of `package:fingerprint`. Raises ValueError."""
    package, _, fingerprint = text.partition(":")
    digest = _fingerprint(fingerprint)
    if len(package) > MAX_IDENTIFIER or not _PACKAGE.fullmatch(package) or digest is None:
        raise ValueError(
            f'"{text[:64]}" is not an Android app; write "com.example.app:" and the SHA-1 of its signing certificate'
        )
    return f"{package}:{digest}"


def parse_ios(text: str) -> str:
    """The bundle identifier itself, when it is one. Raises ValueError."""
    if len(text) > MAX_IDENTIFIER or not _BUNDLE.fullmatch(text):
        raise ValueError(f'"{text[:64]}" is not a bundle identifier such as "com.example.App"')
    return text


def is_application_allowed(
    android: frozenset[str], ios: frozenset[str], package: bytes | None, cert: bytes | None, bundle: bytes | None
) -> bool:
    """Whether the identifiers presented name one allowed app. Naming two apps at once names none."""
    if bundle is not None:
        return package is None and cert is None and bundle.decode("latin-1") in ios
    if package is None or cert is None:
        return False
    digest = _fingerprint(cert.decode("latin-1"))
    return digest is not None and f"{package.decode('latin-1')}:{digest}" in android


def _fingerprint(text: str) -> str | None:
    digest = text.replace(":", "").upper() if len(text) <= 59 else ""
    return digest if _SHA1_HEX.fullmatch(digest) else None
