"""What an upstream is told about the client: the one address judged, the host asked for, the scheme.

One statement each, no chain: what others claimed has been dropped, and nobody has to count from the right.
"""

from __future__ import annotations


def x_forwarded(client_address: str | None, host: bytes, *, is_https: bool) -> list[bytes]:
    """Lines of X-Forwarded-For, -Host and -Proto. `host` is the client's own, empty where it sent none."""
    lines = []
    if client_address is not None:
        lines.append(b"x-forwarded-for: " + client_address.encode("ascii", "replace"))
    if host:
        lines.append(b"x-forwarded-host: " + host)
    lines.append(b"x-forwarded-proto: https" if is_https else b"x-forwarded-proto: http")
    return lines


def forwarded(client_address: str | None, host: bytes, *, is_https: bool) -> bytes:
    """The same as one line of RFC 7239; an IPv6 address goes in brackets and quotes (section 6)."""
    address = (client_address or "unknown").encode("ascii", "replace")
    who = b'"[%b]"' % address if b":" in address else address
    quoted = host.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    told = b';host="%b"' % quoted if host else b""
    return b"forwarded: for=%b%b;proto=%b" % (who, told, b"https" if is_https else b"http")
