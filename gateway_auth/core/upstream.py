"""What requests are forwarded to: a group of servers, where each is, and how much it is waited for.

Pure values, read once from what operators write. Connections to them are `proxy`'s business.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from gateway_auth.core.network import AddressSet, parse_peer

UPSTREAM_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
"""A group's name. It cannot be mistaken for an address, which has a colon."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_UNIX = "unix:"
_EXAMPLE = 'write for example "http://127.0.0.1:9000"'
_UNIX_EXAMPLE = 'write for example "unix:/run/app.sock"'
_MAX_SOCKET_PATH_BYTES = 107  # sun_path of Linux holds 108 with its NUL
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
# Resolvers read 2852039166, 0xa9fea9fe and 127.1 as addresses: a last label like these must be strict IPv4.
_NUMERIC_LABEL = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")

# Where clouds answer with the machine's own credentials: link-local networks, and what lies outside of them.
_METADATA_HOSTS = ("metadata.google.internal", "metadata.goog", "instance-data")
_METADATA_NETWORKS = AddressSet(("169.254.0.0/16", "fe80::/10", "fd00:ec2::254", "100.100.100.200"))


class Server(Struct, frozen=True):
    """One address. Either `host` (a name or a bare IP address, no brackets) and `port`, or `socket_path`."""

    host: str = ""
    port: int = 0
    is_tls: bool = False
    socket_path: str = ""

    @property
    def authority(self) -> str:
        """As in a Host header, without the scheme's default port; a socket in the file system has none of its own."""
        if self.socket_path:
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """As operators write it, in canonical form."""
        if self.socket_path:
            return f"{_UNIX}{self.socket_path}"
        return f"{'https' if self.is_tls else 'http'}://{self.authority}"


class TlsFiles(Struct, frozen=True, kw_only=True):
    """Absolute paths of PEM files. The certificate of a server is always verified, by name and issuer.

    `ca_file` replaces the system's authorities; `server_name` is what the certificate must be for, the server's host
    when None.
    """

    ca_file: str | None = None
    server_name: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None


class HealthCheck(Struct, frozen=True, kw_only=True):
    """A request each worker sends to each server. Statuses from `lowest_status` to `highest_status` are good."""

    path: str
    interval_seconds: float = 5.0
    timeout_seconds: float = 2.0
    unhealthy_after: int = 3
    healthy_after: int = 2
    lowest_status: int = 200
    highest_status: int = 399


class UpstreamLimits(Struct, frozen=True, kw_only=True):
    """Bounds of one worker towards each server. Times are measured on a coarse clock: never early, late by a tick."""

    connect_timeout_seconds: float = 5.0
    """For the handshakes of TCP and TLS, and for waiting for a free connection once `max_connections` are in use."""

    response_timeout_seconds: float = 60.0
    """From the end of the request to the end of the response's head."""

    idle_timeout_seconds: float = 60.0
    """Without a byte of body in either direction.

    A client that does not read counts like a silent upstream.
    """

    keep_alive_seconds: float = 15.0
    """An unused connection is closed after this; keep it below the server's own idle timeout."""

    max_connections: int = 256

    max_waiting: int = 1024
    """Requests that may wait for a connection; the next one is refused at once."""


class Upstream(Struct, frozen=True, kw_only=True):
    """Servers that answer alike. `name` is the group's, or the address where there is one server and no group."""

    name: str
    servers: tuple[Server, ...]
    host: str | None = None
    """The Host header they get; None: the client's own."""

    tls: TlsFiles = TlsFiles()
    limits: UpstreamLimits = UpstreamLimits()
    health: HealthCheck | None = None
    fail_after: int = 3
    """Failures in a row that take a server out; 0: none do."""

    fail_seconds: float = 10.0
    is_forwarded_told: bool = False
    """Write `Forwarded` (RFC 7239) beside X-Forwarded-*."""

    may_be_metadata: bool = False
    """Servers may have a link-local address, where clouds hand out a machine's own credentials."""

    @property
    def has_tls(self) -> bool:
        """Whether any server speaks TLS."""
        return any(server.is_tls for server in self.servers)

    def title(self, server: Server) -> str:
        """What one of its servers is called in logs."""
        return f"upstream {server.url}" if server.url == self.name else f"upstream {self.name}: {server.url}"


def parse_server(text: str) -> Server:
    """`http://host[:port]`, `https://host[:port]` or `unix:/path`.

    Raises ValueError without repeating what was written: it may hold a password.
    """
    if len(text) > 2048 or not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise ValueError(f"is not the address of an upstream; {_EXAMPLE}")
    if text.startswith(_UNIX):
        return Server(socket_path=_socket_path(text.removeprefix(_UNIX)))
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"is not the address of an upstream; {_EXAMPLE}") from error
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError(f"is not the address of an http or https server, nor of a unix socket; {_EXAMPLE}")
    _check_nothing_else(text, parts)
    if not is_host(parts.hostname, is_bracketed=parts.netloc.startswith("[")) or port == 0:
        raise ValueError(f"names no usable host and port; {_EXAMPLE}")
    return Server(_canonical(parts.hostname), port or _DEFAULT_PORTS[parts.scheme], parts.scheme == "https")


def _check_nothing_else(text: str, parts: SplitResult) -> None:
    """The path forwarded is byte for byte the path judged, so nothing may be prefixed."""
    if "@" in parts.netloc:
        raise ValueError("holds a user name or password; an upstream takes none")
    if parts.path not in ("", "/") or "?" in text or "#" in text:
        raise ValueError("must end after the port: the path of a request is forwarded as it came, byte for byte")


def _socket_path(path: str) -> str:
    if not path.startswith("/") or path.startswith("//") or path.endswith("/"):
        raise ValueError(f"does not name a unix socket by an absolute path; {_UNIX_EXAMPLE}")
    if len(path) > _MAX_SOCKET_PATH_BYTES:
        raise ValueError(f"is longer than the path of a unix socket may be, {_MAX_SOCKET_PATH_BYTES} bytes")
    return path


def _canonical(host: str) -> str:
    return str(IPv6Address(host)) if ":" in host else host.lower()


def is_host(host: str, *, is_bracketed: bool) -> bool:
    """Whether it is a host name or a strict IP address: of IPv6 when it stood in brackets."""
    try:
        if "%" in host:  # a zone is local knowledge, and would hide a link-local address from its check
            return False
        if is_bracketed:
            return bool(str(IPv6Address(host)))
        if _NUMERIC_LABEL.fullmatch(host.rstrip(".").rpartition(".")[2]):
            return bool(str(IPv4Address(host)))
    except AddressValueError:
        return False
    return len(host) <= 253 and _HOST_NAME.fullmatch(host) is not None


def is_metadata_host(host: str) -> bool:
    """Whether it is a link-local address, or a known name or address of a cloud's metadata service."""
    address = parse_peer(host)
    if address is not None:
        return address in _METADATA_NETWORKS
    return host.lower().rstrip(".") in _METADATA_HOSTS
