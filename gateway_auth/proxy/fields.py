"""Which header fields stop at the gateway, by name (RFC 9110 section 7.6.1).

Knows no values, no identity and no policy.
"""

from __future__ import annotations

# Meaningful for one connection only. `proxy` is no hop-by-hop field, but CGI upstreams would read it as
# HTTP_PROXY.
_HOP_BY_HOP = (
    b"connection",
    b"http2-settings",
    b"keep-alive",
    b"proxy",
    b"proxy-authenticate",
    b"proxy-authentication-info",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
)
# Claims about the client that only the gateway may make: it says the same in X-Forwarded-*, from what it
# judged.
_CLIENT_CLAIMS = (
    b"cf-connecting-ip",
    b"client-ip",
    b"fastly-client-ip",
    b"forwarded",
    b"true-client-ip",
    b"x-client-ip",
    b"x-cluster-client-ip",
    b"x-original-forwarded-for",
    b"x-real-ip",
)
FORWARDED_PREFIX = b"x-forwarded-"
PSEUDONYM = b"gateway-auth"
"""What the gateway calls itself in `Via`."""

# Nothing to look at: spares most fields of most requests the two closer looks at their names.
_ORDINARY = (
    b"accept",
    b"accept-encoding",
    b"accept-language",
    b"cache-control",
    b"content-type",
    b"cookie",
    b"origin",
    b"referer",
    b"traceparent",
    b"user-agent",
    b"x-auth-app",
    b"x-auth-key-id",
    b"x-auth-method",
    b"x-auth-roles",
    b"x-auth-scopes",
    b"x-auth-subject",
    b"x-request-id",
)

# Read by the proxy itself and written anew; `expect` is answered by the server (RFC 9110 section 10.1.1).
DROP, PASS, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, VIA = range(7)

REQUEST_FIELDS: dict[bytes, int] = {
    **dict.fromkeys(_ORDINARY, PASS),
    **dict.fromkeys((*_HOP_BY_HOP, *_CLIENT_CLAIMS, b"expect"), DROP),
    b"connection": CONNECTION,
    b"content-length": CONTENT_LENGTH,
    b"host": HOST,
    b"transfer-encoding": TRANSFER_ENCODING,
    b"via": VIA,
}
RESPONSE_FIELDS: dict[bytes, int] = dict.fromkeys(_HOP_BY_HOP, DROP) | {
    b"connection": CONNECTION,
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
}

# A client that lists these in Connection must not make them vanish (RFC 9110 section 7.6.1, attack P02).
_OURS_PREFIX = b"x-auth-"
_OURS = b"x-request-id"


def is_reserved_look_alike(name: bytes) -> bool:
    """With `_` for `-` it is a field the proxy writes or drops.

    CGI and WSGI upstreams cannot tell the two apart.
    """
    plain = name.replace(b"_", b"-")
    return REQUEST_FIELDS.get(plain, PASS) != PASS or plain.startswith(FORWARDED_PREFIX)


def listed_names(connection: list[bytes]) -> set[bytes]:
    """Lower-case names out of all Connection values, without those that belong to the gateway."""
    names = {name.strip(b" \t").lower() for value in connection for name in value.split(b",")}
    return {name for name in names if name != _OURS and not name.startswith(_OURS_PREFIX)}
