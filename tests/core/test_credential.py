"""The one credential of a request, as presented: exact bytes, one place, one time."""

from __future__ import annotations

import pytest

from gateway_auth.core import headers as h
from gateway_auth.core.credential import (
    MAX_CREDENTIAL_BYTES,
    Absent,
    ApiKey,
    Credential,
    Jwt,
    Opaque,
    Repeated,
    Unusable,
    extract,
)
from tests.fakes import KEYS, a_key, request

KEY = a_key().text.encode()

CASES: dict[str, tuple[dict[int, bytes], Credential]] = {
    "nothing": ({}, Absent()),
    "key header": ({h.API_KEY: KEY}, ApiKey(KEY)),
    "empty key header": ({h.API_KEY: b""}, Absent()),
    "rubbish in the key header": ({h.API_KEY: b"rubbish"}, ApiKey(b"rubbish")),
    "exact bytes": ({h.API_KEY: KEY + b" "}, ApiKey(KEY + b" ")),
    "bearer key": ({h.AUTHORIZATION: b"Bearer " + KEY}, ApiKey(KEY)),
    "lower-case scheme": ({h.AUTHORIZATION: b"bearer " + KEY}, ApiKey(KEY)),
    "upper-case scheme": ({h.AUTHORIZATION: b"BEARER " + KEY}, ApiKey(KEY)),
    "ApiKey scheme": ({h.AUTHORIZATION: b"ApiKey " + KEY}, ApiKey(KEY)),
    "ApiKey scheme with a token": ({h.AUTHORIZATION: b"apikey a.b.c"}, ApiKey(b"a.b.c")),
    "JWT": ({h.AUTHORIZATION: b"Bearer a.b.c"}, Jwt(b"a.b.c")),
    "opaque": ({h.AUTHORIZATION: b"Bearer abc"}, Opaque(b"abc")),
    "JWE": ({h.AUTHORIZATION: b"Bearer a.b.c.d.e"}, Opaque(b"a.b.c.d.e")),
    "two spaces": ({h.AUTHORIZATION: b"Bearer  " + KEY}, Opaque(b" " + KEY)),
    "tab": ({h.AUTHORIZATION: b"Bearer\t" + KEY}, Unusable()),
    "no space": ({h.AUTHORIZATION: b"Bearer" + KEY}, Unusable()),
    "scheme alone": ({h.AUTHORIZATION: b"Bearer"}, Unusable()),
    "scheme and space": ({h.AUTHORIZATION: b"Bearer "}, Unusable()),
    "no scheme": ({h.AUTHORIZATION: KEY}, Unusable()),
    "basic": ({h.AUTHORIZATION: b"Basic YTpi"}, Unusable()),
    "two schemes": ({h.AUTHORIZATION: b"Bearer,Bearer " + KEY}, Unusable()),
    "empty authorization": ({h.AUTHORIZATION: b""}, Absent()),
    "comma list": ({h.API_KEY: KEY + b"," + KEY}, ApiKey(KEY + b"," + KEY)),
    "both": ({h.API_KEY: KEY, h.AUTHORIZATION: b"Bearer a.b.c"}, Repeated()),
    "the same in both": ({h.API_KEY: KEY, h.AUTHORIZATION: b"Bearer " + KEY}, Repeated()),
    "key and basic": ({h.API_KEY: KEY, h.AUTHORIZATION: b"Basic YTpi"}, Repeated()),
    "empty key header and bearer": ({h.API_KEY: b"", h.AUTHORIZATION: b"Bearer " + KEY}, ApiKey(KEY)),
    "key and empty authorization": ({h.API_KEY: KEY, h.AUTHORIZATION: b""}, ApiKey(KEY)),
    "repeated": ({h.API_KEY: KEY, h.REPEATED_CREDENTIAL: b""}, Repeated()),
    "longest key": ({h.API_KEY: b"a" * MAX_CREDENTIAL_BYTES}, ApiKey(b"a" * MAX_CREDENTIAL_BYTES)),
    "too long key": ({h.API_KEY: b"a" * (MAX_CREDENTIAL_BYTES + 1)}, Unusable()),
    "longest bearer": (
        {h.AUTHORIZATION: b"Bearer " + b"a" * MAX_CREDENTIAL_BYTES},
        Opaque(b"a" * MAX_CREDENTIAL_BYTES),
    ),
    "too long bearer": ({h.AUTHORIZATION: b"Bearer " + b"a" * (MAX_CREDENTIAL_BYTES + 1)}, Unusable()),
    "key of another prefix": ({h.AUTHORIZATION: b"Bearer acme_live_x"}, Opaque(b"acme_live_x")),
}


@pytest.mark.parametrize(("headers", "expected"), CASES.values(), ids=CASES)
def test_a_request_presents_one_credential_or_none_or_too_many(headers: dict[int, bytes], expected: Credential) -> None:
    assert extract(request(headers=headers), KEYS) == expected
