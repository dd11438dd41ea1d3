"""What a request presents as proof of who it is, before anything of it is verified."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from gateway_auth.core.headers import API_KEY, AUTHORIZATION, REPEATED_CREDENTIAL
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.request import RequestFacts

CredentialKind = Literal["api_key", "jwt", "opaque"]

MAX_CREDENTIAL_BYTES = 8192


class ApiKey(Struct, gc=False):
    """Something presented as an API key; exact bytes. `mark` is their fingerprint, once somebody has taken it."""

    presented: bytes
    mark: bytes | None = None


class Jwt(Struct, gc=False):
    """A bearer token of three segments. `mark` as above."""

    presented: bytes
    mark: bytes | None = None


class Opaque(Struct, frozen=True):
    """A bearer token of no form of its own."""

    presented: bytes


class Absent(Struct, frozen=True):
    """No credential was presented."""


class Unusable(Struct, frozen=True):
    """Something was presented, but no credential can be read from it."""


class Repeated(Struct, frozen=True):
    """More than one credential, or one twice: there is no telling whose request it is (RFC 6750 section 3.1)."""


Credential = ApiKey | Jwt | Opaque | Absent | Unusable | Repeated


class HeadersAgain(dict[int, bytes]):
    """The headers of requests that repeat each other byte for byte (`RequestFacts.headers`), and so one credential."""

    credential: Credential | None = None


_ABSENT = Absent()
_UNUSABLE = Unusable()
_REPEATED = Repeated()


def extract(facts: RequestFacts, key_format: KeyFormat) -> Credential:
    """The one credential of a request. An empty header is an absent one; nothing falls back to a weaker proof."""
    headers = facts.headers
    if type(headers) is HeadersAgain:
        if headers.credential is None:
            headers.credential = extract(replace(facts, headers=dict(headers)), key_format)
        return headers.credential
    api_key, authorization = headers.get(API_KEY), headers.get(AUTHORIZATION)
    if (api_key and authorization) or REPEATED_CREDENTIAL in headers:
        return _REPEATED
    if api_key:
        return ApiKey(api_key) if len(api_key) <= MAX_CREDENTIAL_BYTES else _UNUSABLE
    return _from_authorization(authorization, key_format) if authorization else _ABSENT


def _from_authorization(value: bytes, key_format: KeyFormat) -> Credential:
    """`Bearer x` or `ApiKey x`: any letter case, exactly one space (RFC 9110 section 11.4 would allow more)."""
    scheme, _, presented = value.partition(b" ")
    scheme = scheme.lower()
    if not presented or len(presented) > MAX_CREDENTIAL_BYTES or scheme not in (b"bearer", b"apikey"):
        return _UNUSABLE
    if scheme == b"apikey" or presented.startswith(key_format.marker):
        return ApiKey(presented)
    return Jwt(presented) if presented.count(b".") == 2 else Opaque(presented)
