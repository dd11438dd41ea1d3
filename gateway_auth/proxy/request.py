"""Decides the bytes of a request's head as the upstream will read them.

Must not know where it goes or who sent it. Nothing of the client's own bytes survives as framing: method,
target, fields and framing are checked and written anew (RFC 9112 sections 6.3 and 11.2), so that gateway and
upstream cannot disagree on where a request ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec
from starlette.types import Scope

from gateway_auth.core.http_head import joined
from gateway_auth.core.shapes import Shape, Shapes
from gateway_auth.proxy.client_facts import forwarded, x_forwarded
from gateway_auth.proxy.failures import RequestRefused
from gateway_auth.proxy.fields import (
    CONNECTION,
    CONTENT_LENGTH,
    DROP,
    FORWARDED_PREFIX,
    HOST,
    PASS,
    PSEUDONYM,
    REQUEST_FIELDS,
    TRANSFER_ENCODING,
    VIA,
    is_reserved_look_alike,
    listed_names,
)

NO_BODY = 0
CHUNKED = -1

# Two gateways in a row are a design; a request that comes by a fifth time is a loop (RFC 9110 section 7.6.3).
MAX_VISITS = 4
_COOKIE = b"cookie: "
_USUALLY_BODILESS = frozenset(("GET", "HEAD", "DELETE", "OPTIONS", "TRACE"))
_CHUNKED_LINE = b"transfer-encoding: chunked"
_VIA_LINE = b"via: 1.1 " + PSEUDONYM

_LINE = b": ".join

# RFC 9110 section 9.2.2.
IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
_METHODS = {method: method.encode() for method in (*IDEMPOTENT, "POST", "PATCH", "QUERY")}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}")
_DIGITS = re.compile(rb"[0-9]{1,18}")
# A blank would end the target early, a control character the line; `#` never is part of a target.
_NOT_IN_TARGET = re.compile(rb"[\x00-\x20\x7f#]")


class Addressee(msgspec.Struct, frozen=True):
    """How an upstream is written to: with `own_host` as Host, else the client's, else `default_host`."""

    default_host: bytes
    own_host: bytes | None = None
    is_forwarded_told: bool = False


class RequestHead(msgspec.Struct, frozen=True):
    """`data` up to and with the empty line. `body_bytes` is the declared length, `NO_BODY` or `CHUNKED`."""

    data: bytes
    body_bytes: int
    is_head: bool
    is_repeatable: bool
    """May be sent a second time when a reused connection turns out dead: idempotent and without a body."""


def without_body(head: RequestHead) -> RequestHead:
    """A head that announced chunks, for a request that turned out to have no body: HTTP/2 tells by ending the stream.

    Nothing of the client's can be meant: the line of the framing is the last one. Where a body is usual its absence is
    told (RFC 9110 section 8.6).
    """
    rest = head.data.removesuffix(_CHUNKED_LINE + b"\r\n\r\n")
    method = rest.partition(b" ")[0].decode("ascii")
    return RequestHead(
        data=rest + (b"\r\n" if method in _USUALLY_BODILESS else b"content-length: 0\r\n\r\n"),
        body_bytes=NO_BODY,
        is_head=head.is_head,
        is_repeatable=method in IDEMPOTENT,
    )


class _Special:
    """What the fields said that the proxy reads itself."""

    __slots__ = ("connection", "hosts", "lengths", "transfer_codings", "visits")

    def __init__(self) -> None:
        self.connection: list[bytes] = []
        self.hosts: list[bytes] = []
        self.lengths: list[bytes] = []
        self.transfer_codings: list[bytes] = []
        self.visits = 0


def request_head(scope: Scope, client_address: str | None, addressee: Addressee) -> RequestHead:
    """The head to send for this scope. Raises `RequestRefused`."""
    headers = scope["headers"]
    shape = _SHAPES.of(headers)
    if shape is not None and _is_usual(shape, scope["http_version"]) and not addressee.is_forwarded_told:
        return _usual_head(scope, shape, client_address, addressee)
    method: str = scope["method"]
    special = _Special()
    kept = _kept_fields(headers, special)
    if special.connection:
        kept = _without_listed(kept, special.connection)
    if scope["http_version"] == "2":
        kept = _with_one_cookie(kept)
    body_bytes = _framing(special, scope["http_version"])
    host = _host(special.hosts, scope["http_version"])
    told_host = addressee.own_host or host or addressee.default_host
    is_https = scope["scheme"] == "https"
    lines = [request_line(method, scope["raw_path"], scope["query_string"]), b"host: " + told_host]
    lines += kept
    lines += x_forwarded(client_address, host, is_https=is_https)
    if addressee.is_forwarded_told:
        lines.append(forwarded(client_address, host, is_https=is_https))
    lines.append(_VIA_LINE)
    if special.lengths:
        lines.append(b"content-length: %d" % body_bytes)
    elif body_bytes == CHUNKED:
        lines.append(_CHUNKED_LINE)
    return RequestHead(
        data=_joined(lines),
        body_bytes=body_bytes,
        is_head=method == "HEAD",
        is_repeatable=body_bytes == NO_BODY and method in IDEMPOTENT,
    )


def _is_usual(shape: Shape, http_version: str) -> bool:
    """Whether Host is all that means something: no framing, no Connection, no Via."""
    return len(shape.noted) == 1 and shape.noted[0][0] == HOST and http_version == "1.1"


def _usual_head(scope: Scope, shape: Shape, client_address: str | None, addressee: Addressee) -> RequestHead:
    """The same for a usual request, its fields in one step."""
    headers = scope["headers"]
    method: str = scope["method"]
    host: bytes = headers[shape.noted[0][1]][1]
    if not host:
        raise RequestRefused("no Host")
    lines = [request_line(method, scope["raw_path"], scope["query_string"]), b"host: " + (addressee.own_host or host)]
    lines += map(_LINE, shape.keep(headers))
    lines += x_forwarded(client_address, host, is_https=scope["scheme"] == "https")
    lines.append(_VIA_LINE)
    return RequestHead(
        data=_joined(lines), body_bytes=NO_BODY, is_head=method == "HEAD", is_repeatable=method in IDEMPOTENT
    )


def _kind(name: bytes) -> int:
    """What to do with a field by its name."""
    meaning = REQUEST_FIELDS.get(name)
    if meaning is not None:
        return meaning
    is_claim = name.startswith(FORWARDED_PREFIX) or (b"_" in name and is_reserved_look_alike(name))
    return DROP if is_claim else PASS


def _kept_fields(headers: Iterable[tuple[bytes, bytes]], special: _Special) -> list[bytes]:
    """`name: value` of every field that passes. Names are lower-case in ASGI."""
    kept: list[bytes] = []
    for field in headers:
        kind = _kind(field[0])
        if kind == PASS:
            kept.append(_LINE(field))
        elif kind != DROP:
            _note(kind, field, special, kept)
    return kept


def _note(meaning: int, field: tuple[bytes, bytes], special: _Special, kept: list[bytes]) -> None:
    value = field[1]
    if meaning == HOST:
        special.hosts.append(value)
    elif meaning == CONTENT_LENGTH:
        special.lengths.append(value)
    elif meaning == TRANSFER_ENCODING:
        special.transfer_codings.append(value)
    elif meaning == CONNECTION:
        special.connection.append(value)
    elif meaning == VIA:
        special.visits += value.lower().count(PSEUDONYM)
        if special.visits > MAX_VISITS:
            raise RequestRefused("the request goes round in a loop: its Via names this gateway too often")
        kept.append(_LINE(field))


def _without_listed(kept: list[bytes], connection: list[bytes]) -> list[bytes]:
    """RFC 9110 section 7.6.1. Framing and Host are not among `kept`, so no list can remove them."""
    listed = listed_names(connection)
    return [line for line in kept if line.partition(b":")[0] not in listed]


def _with_one_cookie(kept: list[bytes]) -> list[bytes]:
    """HTTP/2 may split Cookie into several fields; in HTTP/1.1 it is one again (RFC 9113 section 8.2.3)."""
    crumbs = [line for line in kept if line.startswith(_COOKIE)]
    if len(crumbs) < 2:
        return kept
    cookie = _COOKIE + b"; ".join(line.removeprefix(_COOKIE) for line in crumbs)
    return [*(line for line in kept if not line.startswith(_COOKIE)), cookie]


def _framing(special: _Special, http_version: str) -> int:
    """RFC 9112 section 6.3: one valid length, or chunked, or no body.

    Anything else is an attempt to smuggle.
    """
    if special.transfer_codings:
        if special.lengths or len(special.transfer_codings) > 1 or http_version in ("1", "1.0"):
            raise RequestRefused("Transfer-Encoding beside other framing, repeated, or in HTTP/1.0")
        if special.transfer_codings[0].strip(b" \t").lower() != b"chunked":
            raise RequestRefused("a Transfer-Encoding other than chunked")
        return CHUNKED
    if not special.lengths:
        # HTTP/2 frames bodies itself: there only the body can tell that there is one.
        return NO_BODY if http_version.startswith("1") else CHUNKED
    if len(special.lengths) > 1 or not _DIGITS.fullmatch(special.lengths[0]):
        raise RequestRefused("Content-Length is repeated or not a number")
    return int(special.lengths[0])


def _host(hosts: list[bytes], http_version: str) -> bytes:
    """The client's own, as judged; empty only where HTTP/1.0 sent none (RFC 9112 section 3.2)."""
    if len(hosts) > 1:
        raise RequestRefused("more than one Host")
    host = hosts[0] if hosts else b""
    if not host and http_version not in ("1", "1.0"):
        raise RequestRefused("no Host")
    return host


def request_line(method: str, path: bytes, query: bytes) -> bytes:
    """Without its end; the target byte for byte what was judged. Raises `RequestRefused`."""
    target = b"%b?%b" % (path, query) if query else path
    if _NOT_IN_TARGET.search(target):
        raise RequestRefused("a character in the target that does not belong there")
    if not target.startswith(b"/") and not (target == b"*" and method == "OPTIONS"):
        raise RequestRefused("a target that is no path")
    return b"%b %b HTTP/1.1" % (_METHODS.get(method) or _unusual_method(method), target)


def _unusual_method(method: str) -> bytes:
    # After CONNECT the connection would be a tunnel past the gateway.
    if method == "CONNECT" or not _TOKEN.fullmatch(method):
        raise RequestRefused("a method that is not forwarded")
    return method.encode("ascii")


def _joined(lines: list[bytes]) -> bytes:
    data = joined(lines)
    if data is None:
        raise RequestRefused("CR, LF or NUL inside a field")
    return data


_SHAPES = Shapes(_kind, lambda kind: kind == PASS, lambda kind: kind not in (PASS, DROP))
