"""Addresses that operators write: where to listen, to forward to, to store. It opens none of them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from gateway_auth.core.upstream import UPSTREAM_NAME, is_host, is_metadata_host, parse_server

_HOST_PORT = re.compile(r"(?:\[([^\]]*)\]|([^:\[\]]*)):([0-9]{1,5})")
_ANY_HOST = ("0.0.0.0", "::")  # noqa: S104  compared with, not bound
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_SQLITE = "sqlite:///"
_UNIX = "unix:"
_MAX_SOCKET_PATH = 100
"""Systems take 104 bytes or 108 with the zero at the end."""


def parse_listen(text: str) -> tuple[str, int]:
    """(host, port) of `127.0.0.1:8080`, `[::1]:8080` or `localhost:8080`. Raises ValueError."""
    match = _HOST_PORT.fullmatch(text) if len(text) <= 300 else None
    if match is None:
        raise ValueError('is not an address to listen on; write for example "127.0.0.1:8080" or "[::1]:8080"')
    host, port = match.group(1) or match.group(2) or "", int(match.group(3))
    if not host:
        raise ValueError(
            f'names no host; write "127.0.0.1:{port}", or "0.0.0.0:{port}" for every network of this machine'
        )
    if not is_host(host, is_bracketed=match.group(1) is not None):
        raise ValueError(f'"{host[:64]}" is neither an address nor a host name')
    if not 1 <= port <= 65535:
        raise ValueError("the port must be between 1 and 65535")
    return host, port


def socket_path(text: str) -> str | None:
    """The path of `unix:/run/gateway.sock`, None where it is no unix socket. Raises ValueError."""
    if not text.startswith(_UNIX):
        return None
    path = text.removeprefix(_UNIX)
    if not path.strip("/") or path.endswith("/") or not path.isascii() or not path.isprintable():
        raise ValueError('names no socket; write for example "unix:/run/gateway-auth/gateway.sock"')
    if len(path) > _MAX_SOCKET_PATH:
        raise ValueError(f"is longer than the {_MAX_SOCKET_PATH} bytes a unix socket's path may have")
    return path


def collide(one: tuple[str, int], other: tuple[str, int]) -> bool:
    """Whether two listeners would want the same socket."""
    if one[1] != other[1]:
        return False
    hosts = {_canonical_host(one[0]), _canonical_host(other[0])}
    return len(hosts) == 1 or not hosts.isdisjoint(_ANY_HOST)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener on `host`."""
    return _canonical_host(host) in _LOOPBACK_NAMES or host.startswith("127.")


def _canonical_host(host: str) -> str:
    name = host.lower().rstrip(".")
    return "127.0.0.1" if name == "localhost" else name


def check_upstream(text: str) -> str:
    """The name of a group, or a server's address in canonical form. Raises ValueError without repeating an address."""
    if UPSTREAM_NAME.fullmatch(text):
        return text
    server = parse_server(text)
    if is_metadata_host(server.host):
        raise ValueError(
            "is a link-local or metadata address, which hands out this machine's own credentials: refused. "
            "Where that is meant, make it a server of an [upstreams.NAME] with allow_metadata_address = true"
        )
    return server.url


def check_server(text: str) -> str:
    """A server's address in canonical form. Raises ValueError."""
    return parse_server(text).url


def check_store_url(text: str) -> str:
    """`text` when it names a store. Raises ValueError without repeating it: it may hold a password."""
    if text.startswith(_SQLITE):
        path = text.removeprefix(_SQLITE)
        if not path.strip("/") or path.endswith("/") or ":memory:" in path:
            raise ValueError('names no file; write for example "sqlite:///gateway.db"')
        if "?" in path or "#" in path or not path.isprintable():
            raise ValueError('takes only the path of a file, as in "sqlite:///gateway.db"')
        return text
    if not text.startswith("postgresql://"):
        raise ValueError('must begin with "sqlite:///" or "postgresql://"')
    try:
        parts = urlsplit(text)
        is_complete = bool(parts.hostname or parts.query) and len(parts.path) > 1 and parts.port != 0
    except ValueError as error:
        raise ValueError('cannot be read; write "postgresql://user:password@host:5432/database"') from error
    if not is_complete:
        raise ValueError('names no host or no database; write "postgresql://user:password@host:5432/database"')
    return text


def absolute_store_url(url: str, folder: Path) -> str:
    """`url` with the path of a SQLite file made absolute against `folder`."""
    if not url.startswith(_SQLITE):
        return url
    return _SQLITE + os.path.abspath(folder / url.removeprefix(_SQLITE))
