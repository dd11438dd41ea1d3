"""What a Redis URL means: which servers, how to find the right one, who asks. It connects to none.

No message and no `repr` repeats a password, nor the URL that holds it.
"""

from __future__ import annotations

import os
import re
import ssl
from typing import Literal, NoReturn
from urllib.parse import parse_qsl, unquote

from msgspec import Struct

from gateway_auth.errors import ConfigError, Problem

Mode = Literal["standalone", "sentinel", "cluster"]

_URL = re.compile(r"(?P<scheme>redis|rediss)(?:\+(?P<mode>sentinel|cluster))?://(?P<rest>\S*)", re.IGNORECASE)
_HOST_PORT = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9_.-]+))(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORT: dict[Mode, int] = {"standalone": 6379, "sentinel": 26379, "cluster": 6379}
_EXAMPLE: dict[Mode, str] = {
    "standalone": "redis://user:password@127.0.0.1:6379/0",
    "sentinel": "redis+sentinel://h1:26379,h2:26379/mymaster/0",
    "cluster": "redis+cluster://h1:6379,h2:6379",
}
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


class Endpoint(Struct, frozen=True):
    """Where one server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class RedisAddress(Struct, frozen=True, kw_only=True):
    """A parsed URL. `endpoints` are the server, the sentinels, or some nodes of the cluster.

    `service` is the name of the master that sentinels watch. The files are PEM, absolute paths, for TLS alone.
    """

    mode: Mode
    endpoints: tuple[Endpoint, ...]
    is_tls: bool = False
    db: int = 0
    username: str | None = None
    password: str | None = None
    service: str = ""
    ssl_ca_certs: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None

    def __repr__(self) -> str:
        return f"RedisAddress({self})"

    def __str__(self) -> str:
        return f"{self.mode} {','.join(map(str, self.endpoints))}"


def parse_address(url: str) -> RedisAddress:
    """The address in `redis.url`. Raises ConfigError that says what to write."""
    match = _URL.fullmatch(url) if len(url) <= 2048 else None
    if match is None:
        _refuse("is not an address of Redis", "standalone")
    mode = _mode(match["mode"])
    is_tls = match["scheme"].lower() == "rediss"
    before_query, _, query = match["rest"].partition("?")
    if "#" in match["rest"]:
        _refuse('holds a "#"; in a password write it as %23', mode)
    authority, _, path = before_query.partition("/")
    userinfo, at, hosts = authority.rpartition("@")
    username, password = _credentials(userinfo, mode) if at else (None, None)
    service, db = _place(path, mode)
    return RedisAddress(
        mode=mode,
        endpoints=_endpoints(hosts, mode),
        is_tls=is_tls,
        db=db,
        username=username,
        password=password,
        service=service,
        **_files(query, mode, is_tls=is_tls),
    )


def tls_context(address: RedisAddress) -> ssl.SSLContext | None:
    """What to check certificates by, made once: reading the system's takes long. Raises ConfigError for its files."""
    if not address.is_tls:
        return None
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if address.ssl_ca_certs is not None:
            context.load_verify_locations(cafile=address.ssl_ca_certs)
        if address.ssl_certfile is not None:
            context.load_cert_chain(address.ssl_certfile, address.ssl_keyfile)
    except (OSError, ValueError):  # ValueError: an encrypted key whose passphrase nobody gives
        raise ConfigError(
            [Problem("redis.url", "names a certificate or key file that cannot be read as PEM")]
        ) from None
    return context


def _mode(written: str | None) -> Mode:
    match (written or "").lower():
        case "sentinel":
            return "sentinel"
        case "cluster":
            return "cluster"
        case _:
            return "standalone"


def _credentials(userinfo: str, mode: Mode) -> tuple[str | None, str | None]:
    username, colon, password = userinfo.partition(":")
    if not colon or not password:
        _refuse("names a user without a password", mode)
    if ":" in password or "@" in password:
        _refuse('has a ":" or "@" in its password; write them as %3A and %40', mode)
    try:
        return unquote(username, errors="strict") or None, unquote(password, errors="strict")
    except UnicodeDecodeError:
        _refuse("has a user or password that is not UTF-8 when decoded", mode)


def _endpoints(hosts: str, mode: Mode) -> tuple[Endpoint, ...]:
    written = hosts.split(",")
    if mode == "standalone" and len(written) > 1:
        _refuse("names several servers; begin it with redis+sentinel:// or redis+cluster://", mode)
    if len(written) > 64:
        _refuse("names more than 64 servers", mode)
    return tuple(_endpoint(text, mode) for text in written)


def _endpoint(text: str, mode: Mode) -> Endpoint:
    match = _HOST_PORT.fullmatch(text)
    if match is None:
        _refuse("names no usable host and port", mode)
    port = int(match["port"]) if match["port"] else _DEFAULT_PORT[mode]
    if not 1 <= port <= 65535:
        _refuse("has a port that is not between 1 and 65535", mode)
    return Endpoint(match["v6"] or match["name"], port)


def _place(path: str, mode: Mode) -> tuple[str, int]:
    """(name of the master, number of the database)."""
    service = ""
    if mode == "sentinel":
        service, _, path = path.partition("/")
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", service):
            _refuse("does not name the master the sentinels watch", mode)
    if not re.fullmatch(r"[0-9]{0,5}", path):
        _refuse("has a database that is not a number", mode)
    db = int(path or 0)
    if mode == "cluster" and db != 0:
        _refuse("has a database; a cluster has only number 0", mode)
    return service, db


def _files(query: str, mode: Mode, *, is_tls: bool) -> dict[str, str]:
    files: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _TLS_FILES:
            _refuse(f"has a parameter it does not take; after the ? it takes {', '.join(_TLS_FILES)}", mode)
        if not is_tls:
            _refuse(f"has {name} but no TLS; begin it with rediss", mode)
        if not os.path.isabs(value) or name in files:
            _refuse(f"must have the absolute path of one file in {name}", mode)
        files[name] = value
    if "ssl_keyfile" in files and "ssl_certfile" not in files:
        _refuse("has ssl_keyfile without ssl_certfile", mode)
    return files


def _refuse(what: str, mode: Mode) -> NoReturn:
    # The URL itself stays out of the message: it may hold a password.
    raise ConfigError([Problem("redis.url", f'{what}; write for example "{_EXAMPLE[mode]}"')])
