"""From an ASGI scope to the facts of a request, in one pass over its headers. It decides only what cannot be read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from urllib.parse import unquote

from msgspec import Struct
from msgspec.structs import replace

from gateway_auth.asgi.fields import FieldList, Fields, Known
from gateway_auth.asgi.types import Header, Scope
from gateway_auth.core import headers as h
from gateway_auth.core.credential import HeadersAgain
from gateway_auth.core.malformed import Malformed
from gateway_auth.core.memo import Memo
from gateway_auth.core.network import UNIX_PEER, Address, client_address, parse_peer
from gateway_auth.core.path import MAX_PATH_BYTES, canonical_decoded_path, canonical_path, is_unusual
from gateway_auth.core.request import RequestFacts
from gateway_auth.core.ruleset import RuleSet
from gateway_auth.core.shapes import Shapes

MAX_QUERY_BYTES = 16_384
MAX_HEADERS = 200
MAX_CLIENT_REQUEST_ID = 64
MAX_REMEMBERED_ADDRESS = 64
"""Of a forwarding header, in bytes; longer ones are read anew each time."""

_METHOD = re.compile(r"[A-Z0-9!#$%&'*+.^_`|~-]{1,32}")
_SUB_DELIMS = rb"A-Za-z0-9._~!$&'()*+,;=-"
_HOST = re.compile(
    rb"(?:[" + _SUB_DELIMS + rb"]|%[0-9A-Fa-f]{2}){1,255}(?::[0-9]{0,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{0,5})?"
)
TLS_SCHEMES = frozenset(("https", "wss"))
_TOLD_TLS = frozenset((b"https", b"wss"))
_BLANKS = b" \t"
_UNUSABLE = b"\x00"
"""Stands for a header that must be single and came twice: it matches no rule."""


class Reading(Struct, frozen=True, gc=False):
    """One request as read. `path` is the canonical path with its mount point, as it is to be forwarded.

    `kept` are the headers that may go on.
    """

    facts: RequestFacts
    path: str
    kept: Sequence[Header]

    @property
    def client_request_id(self) -> str:
        """The client's own request id, bounded, for the log alone."""
        return self.facts.headers.get(h.REQUEST_ID, b"")[:MAX_CLIENT_REQUEST_ID].decode("latin-1")


def read_peer(rules: RuleSet, host: str | None) -> tuple[Address | None, bool]:
    """The peer's address, and whether its forwarding headers are believed."""
    address = parse_peer(host)
    if address is None:
        return None, rules.is_unix_peer_trusted and host in (None, "", UNIX_PEER)
    return address, address in rules.trusted_proxies


def is_told_tls(proto: bytes) -> bool:
    """Whether a trusted proxy's X-Forwarded-Proto says TLS. Traefik says `wss` of a WebSocket; lists say nothing."""
    return proto.strip(_BLANKS).lower() in _TOLD_TLS


_TOO_MANY_HEADERS = Malformed("more than 200 header fields")
_BAD_METHOD = Malformed("the method is not an upper-case token")
_BAD_HOST = Malformed("the Host header is missing, repeated or not a host")
_BAD_LENGTH = Malformed("the Content-Length header is repeated, not a number, or beside a Transfer-Encoding")
_NOT_GIVEN = Malformed("the server gave no raw path")
_LONG_QUERY = Malformed("the query is longer than 16384 bytes")


class ScopeReader:
    """Reads scopes under one configuration. What it remembers is bounded and follows from the text alone."""

    __slots__ = ("_clients", "_hosts", "_kinds", "_methods", "_peers", "_rules", "_shapes", "_trusted")

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._kinds = rules.headers
        self._trusted = rules.trusted_proxies
        self._hosts: Memo[bytes, bool] = Memo(lambda host: _HOST.fullmatch(host) is not None, 512, 300)
        self._methods: Memo[str, bool] = Memo(lambda method: _METHOD.fullmatch(method) is not None, 64, 32)
        kinds = self._kinds
        self._shapes = Shapes(
            kinds.__getitem__, lambda kind: kind >= h.PLAIN, lambda kind: kind not in (h.PLAIN, h.DROPPED)
        )
        self._peers: Memo[str | None, tuple[Address | None, bool]] = Memo(partial(read_peer, rules))

        self._clients: Memo[tuple[Address | None, bytes], Address | Malformed | None] = Memo(self._read_client)

    def read(self, scope: Scope) -> Reading | Malformed:  # noqa: C901, PLR0912 (one pass; a call per check costs)
        """The facts of an http or websocket scope, or why it cannot be read."""
        headers = scope["headers"]
        if type(headers) is not list and (fields := _unchanged(headers)) is not None:
            return self._read_fields(scope, fields)
        if len(headers) > MAX_HEADERS:
            return _TOO_MANY_HEADERS
        found: dict[int, bytes] = {}
        shape = self._shapes.of(headers)
        if shape is not None:
            kept: Sequence[Header] = shape.keep(headers)
            for kind, position in shape.noted:
                # Blanks around a value are not part of it (RFC 9110 section 5.5); not every server takes them away.
                found[kind] = headers[position][1].strip(_BLANKS)
        else:
            others = self._sort(headers, found)
            if isinstance(others, Malformed):
                return others
            kept = others
        is_websocket = scope["type"] == "websocket"
        method = "GET" if is_websocket else scope["method"]
        if not self._methods[method]:
            return _BAD_METHOD
        host = found.get(h.HOST)
        is_http_1_1 = scope.get("http_version", "1.1") == "1.1"
        if is_http_1_1 if host is None else not self._hosts[host]:
            return _BAD_HOST
        query = scope.get("query_string", b"")
        if len(query) > MAX_QUERY_BYTES:
            return _LONG_QUERY
        full_path = _full_path(scope)
        if not isinstance(full_path, str):
            return full_path
        root_path = scope.get("root_path")
        path = _below(root_path, full_path) if root_path else full_path
        peer = scope.get("client")
        client, is_trusted = self._peers[peer[0] if peer else None]
        is_tls = scope.get("scheme", "http") in TLS_SCHEMES
        if is_trusted:
            told = self._told_by_proxy(client, found)
            if isinstance(told, Malformed):
                return told
            client, is_tls = told, is_tls or is_told_tls(found.get(h.FORWARDED_PROTO, b""))
        body_bytes: int | None = 0
        if h.CONTENT_LENGTH in found or h.TRANSFER_ENCODING in found or not is_http_1_1:
            declared = _body_length(scope, found)
            if isinstance(declared, Malformed):
                return declared
            body_bytes = declared
        facts = RequestFacts(method, path, query, client, found, is_tls, is_websocket, body_bytes)
        return Reading(facts, full_path, kept)

    def _read_fields(self, scope: Scope, fields: Fields) -> Reading | Malformed:
        """A request that may differ from the one before it in its line alone."""
        known = fields.known
        client, scheme = scope.get("client"), scope.get("scheme")
        if known is not None and known[0] is self and known[1] is client and known[2] is scheme:
            return self._read_line(scope, known[3])
        reading = self.read({**scope, "headers": list(fields)})
        if isinstance(reading, Reading):
            facts = replace(reading.facts, headers=HeadersAgain(reading.facts.headers))
            reading = replace(reading, facts=facts)
            fields.known = Known(self, client, scheme, reading)
        return reading

    def _read_line(self, scope: Scope, before: Reading) -> Reading | Malformed:
        """What the request line says, and all else as before."""
        method, query = scope["method"], scope.get("query_string", b"")
        if not self._methods[method]:
            return _BAD_METHOD
        if len(query) > MAX_QUERY_BYTES:
            return _LONG_QUERY
        full_path = _full_path(scope)
        if not isinstance(full_path, str):
            return full_path
        root_path = scope.get("root_path")
        path = _below(root_path, full_path) if root_path else full_path
        same = before.facts
        facts = RequestFacts(method, path, query, same.client, same.headers, same.is_tls)
        return Reading(facts, full_path, before.kept)

    def _sort(self, headers: Sequence[Header], found: dict[int, bytes]) -> list[Header] | Malformed:
        """Header by header, where something came twice or is not a usual request: what goes on."""
        kept: list[Header] = []
        for pair in headers:
            kind = self._kinds[pair[0]]
            if kind >= h.PLAIN:
                kept.append(pair)
            if kind in (h.PLAIN, h.DROPPED):
                continue
            value = pair[1].strip(_BLANKS)
            if kind not in found:
                found[kind] = value
            elif (problem := _repeat(kind, value, found)) is not None:
                return problem
        return kept

    def _told_by_proxy(self, client: Address | None, found: dict[int, bytes]) -> Address | Malformed | None:
        value = found.get(h.CLIENT_ADDRESS)
        if value is None:
            return client
        if len(value) <= MAX_REMEMBERED_ADDRESS:
            return self._clients[client, value]
        return self._read_client((client, value))

    def _read_client(self, told: tuple[Address | None, bytes]) -> Address | Malformed | None:
        return client_address(*told, self._rules.client_address_style, self._trusted)


def _repeat(kind: int, value: bytes, found: dict[int, bytes]) -> Malformed | None:
    """A header that already came. Nothing is decided by which of two came first or last."""
    if kind == h.HOST:
        return _BAD_HOST
    if kind == h.CONTENT_LENGTH:
        return _BAD_LENGTH
    if kind in (h.API_KEY, h.AUTHORIZATION):
        if value and found[kind]:
            found[h.REPEATED_CREDENTIAL] = b""
        found[kind] = found[kind] or value
    elif kind == h.CLIENT_ADDRESS:
        found[kind] += b"," + value
    elif kind != h.TRANSFER_ENCODING:
        found[kind] = _UNUSABLE
    return None


def _body_length(scope: Scope, found: dict[int, bytes]) -> int | Malformed | None:
    """The declared length of the body; None when one may come that does not say."""
    length = found.get(h.CONTENT_LENGTH)
    if length is not None:
        # With a transfer coding beside it, somebody behind may believe the other one (RFC 9112 section 6.1).
        is_clear = length.isdigit() and len(length) <= 18 and h.TRANSFER_ENCODING not in found
        return int(length) if is_clear else _BAD_LENGTH
    return None if h.TRANSFER_ENCODING in found or scope.get("http_version", "1.1") >= "2" else 0


def _unchanged(headers: Sequence[Header]) -> Fields | None:
    """The fields that came again, if that is what these are."""
    if type(headers) is Fields:
        return headers
    return headers.fields if type(headers) is FieldList and tuple(headers) == headers.fields else None


def _full_path(scope: Scope) -> str | Malformed:
    """Nearly every path is plain, and then as the server decoded it; all others take the longer way."""
    raw = scope.get("raw_path")
    path = raw.decode("ascii") if raw and len(raw) <= MAX_PATH_BYTES and not is_unusual(raw) else _NOT_GIVEN
    return path if path == scope["path"] else _canonical_of(scope)


def _canonical_of(scope: Scope) -> str | Malformed:
    """The canonical path of what the app behind will route by.

    Servers give `raw_path` as received and `path` decoded. A middleware in front may have changed `path` alone; then
    that is what the app sees, and that is what must be judged.
    """
    raw = scope.get("raw_path")
    path: str = scope["path"]
    if not raw:
        return canonical_decoded_path(path)
    canonical = canonical_path(raw)
    if canonical == path or isinstance(canonical, Malformed) or unquote(canonical) == path:
        return canonical
    return canonical_decoded_path(path)


def _below(root_path: str, path: str) -> str:
    """`path` relative to the mount point, by the same rule the ASGI frameworks use to find it."""
    decoded = unquote(path) if "%" in path else path
    if not decoded.startswith(root_path):
        return path
    rest = path[len(root_path) :] if decoded is path else _strip_encoded(root_path, path)
    if rest == "":
        return "/"
    return rest if rest[0] == "/" else path


def _strip_encoded(root_path: str, path: str) -> str:
    """`path` without the segments that spell `root_path`: no segment holds an encoded slash, so they correspond."""
    segments = path.split("/")
    count = root_path.count("/") + 1
    if unquote("/".join(segments[:count])) != root_path:
        return path
    return "/".join(("", *segments[count:]))
