"""Reports of leaked secrets in the form of GitHub's secret-scanning partner program: read and answered. No store here.

https://docs.github.com/en/code-security/secret-scanning/secret-scanning-partnership-program/secret-scanning-partner-program
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterable
from hashlib import sha256
from urllib.parse import quote, unquote, urlsplit

from msgspec import Struct

from gateway_auth.core.redaction import redacted
from gateway_auth.core.strict_json import parse_array

MAX_BODY_BYTES = 1024 * 1024
MAX_REPORTS = 2000
MAX_TOKEN_CHARACTERS = 8192
MAX_ADDRESS_CHARACTERS = 512
ALGORITHM = "ES256"
"""What reports are signed with: ECDSA on P-256 with SHA-256. The signature is in DER, not as in a JWT."""

_KEY_ID = re.compile(rb"[!-~]{1,128}")
_MAX_SIGNATURE_CHARACTERS = 128
_TYPE = re.compile(r"[!-~]{1,128}")
_SOURCE = re.compile(r"[A-Za-z_]{1,64}")
_HOST = re.compile(r"[a-z0-9._-]{1,253}")


class Signature(Struct, frozen=True):
    """What the two headers say. Nothing is verified yet."""

    key_id: str
    signature: bytes


class Report(Struct, frozen=True):
    """One secret that was found somewhere. `type` is the partner's name of its form; `url` and `source` say where."""

    token: str
    type: str
    url: str | None = None
    source: str | None = None

    def __repr__(self) -> str:
        return f"Report(type={self.type!r})"


def read_signature(key_ids: list[bytes], signatures: list[bytes]) -> Signature | None:
    """The values of `Github-Public-Key-Identifier` and `-Signature`; None unless each comes once and can be one."""
    if len(key_ids) != 1 or len(signatures) != 1 or len(signatures[0]) > _MAX_SIGNATURE_CHARACTERS:
        return None
    try:
        signature = b64decode(signatures[0], validate=True)
    except NotBase64:
        return None
    return Signature(key_ids[0].decode("ascii"), signature) if _KEY_ID.fullmatch(key_ids[0]) else None


def parse_reports(body: bytes) -> tuple[Report, ...] | None:
    """The reports of a body; None for what is none, or has one among them that is none."""
    found = parse_array(body)
    if found is None or len(found) > MAX_REPORTS:
        return None
    reports = tuple(report for one in found if (report := _report(one)) is not None)
    return reports if len(reports) == len(found) else None


def _report(value: object) -> Report | None:
    if not isinstance(value, dict):
        return None
    token, kind, url, source = (value.get(name) for name in ("token", "type", "url", "source"))
    if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN_CHARACTERS:
        return None
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        return None
    is_source = isinstance(source, str) and _SOURCE.fullmatch(source) is not None
    return Report(token, kind, neutral_address(url) if isinstance(url, str) else None, source if is_source else None)


def neutral_address(url: str) -> str | None:
    """An address fit to be kept and shown: http(s), host and path in ASCII, bounded, no secret in it; else None.

    Credentials, query and fragment are left out: who put a secret there may have put others there too.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        return None
    path = quote(parts.path, safe="/%:@!$&'()*+,;=~")
    if redacted(unquote(path)) != unquote(path):
        path = quote(redacted(unquote(path)), safe="/:@[]")
    return redacted(f"{parts.scheme}://{host}{f':{port}' if port else ''}{path}")[:MAX_ADDRESS_CHARACTERS]


def render_answer(verdicts: Iterable[tuple[Report, bool]]) -> bytes:
    """What is told of each report. By its hash: the secret is not sent around once more."""
    return json.dumps(
        [
            {
                "token_hash": sha256(report.token.encode()).hexdigest(),
                "token_type": report.type,
                "label": "true_positive" if is_genuine else "false_positive",
            }
            for report, is_genuine in verdicts
        ],
        separators=(",", ":"),
    ).encode()
