"""Which upstream addresses are acceptable. Parsed once, from what operators write.

Knows nothing of requests.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

import msgspec

from gateway_auth.errors import ConfigError

_LATER = {"https": "TLS", "ws": "WebSocket", "wss": "WebSocket"}
# urlsplit silently drops tabs and line breaks, so they are refused before it sees them.
_PRINTABLE = re.compile(r"[!-~]+")
_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?")


class InvalidUpstream(ConfigError, ValueError):
    """An upstream URL that cannot be used; the text says what to write instead."""


class Upstream(msgspec.Struct, frozen=True):
    """Where requests go: `host` as a name or bare IP address (no brackets), `port` 1-65535.

    Plain HTTP/1.1.
    """

    host: str
    port: int

    @property
    def authority(self) -> str:
        """As in a Host header; the default port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 80 else f"{host}:{self.port}"


def parse_upstream(url: str) -> Upstream:
    """`http://host[:port][/]` as an `Upstream`.

    Raises `InvalidUpstream`, which is a ConfigError and a ValueError.
    """
    if not _PRINTABLE.fullmatch(url):
        raise _invalid(url, "write it as printable ASCII without spaces")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _invalid(url, str(error)) from None
    _check_scheme(url, parts)
    _check_nothing_else(url, parts)
    if port == 0:
        raise _invalid(url, "port 0 cannot be connected to")
    return Upstream(host=_host(url, parts), port=80 if port is None else port)


def _check_scheme(url: str, parts: SplitResult) -> None:
    scheme = parts.scheme.lower()
    if scheme in _LATER:
        raise _invalid(url, f"{_LATER[scheme]} towards upstreams comes in a later version; use http://")
    if scheme != "http":
        raise _invalid(url, "it must begin with http://")


def _check_nothing_else(url: str, parts: SplitResult) -> None:
    """Only scheme, host and port.

    The path forwarded is byte for byte the path judged, so nothing may be prefixed.
    """
    if "@" in parts.netloc:
        raise _invalid("http://…@…", "user and password do not belong into an upstream URL")
    if parts.path not in ("", "/"):
        raise _invalid(url, "a base path is not supported; end it after host and port")
    if "?" in url or "#" in url:
        raise _invalid(url, "a query or fragment has no meaning here")


def _host(url: str, parts: SplitResult) -> str:
    host = (parts.hostname or "").lower()
    if "[" in parts.netloc:
        return _ipv6(url, host)
    if not _HOST_NAME.fullmatch(host):
        raise _invalid(url, "it needs a host name or an IP address")
    return host


def _ipv6(url: str, host: str) -> str:
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        address = None
    # A zone (`%eth0`) names an interface of one machine, and has no place in a Host header.
    if address is None or address.scope_id is not None:
        raise _invalid(url, "what stands in brackets is not an IPv6 address")
    return str(address)


def _invalid(url: str, advice: str) -> InvalidUpstream:
    return InvalidUpstream(f"upstream {url!r}: {advice}")
