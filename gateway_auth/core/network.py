"""Internet addresses: one integer each, lists of networks, and who the client is behind trusted proxies.

An address is an integer of the IPv6 space; an IPv4 address stands at its IPv4-mapped place
(RFC 4291 section 2.5.5.2), so `::ffff:10.0.0.5` and `10.0.0.5` are equal everywhere by construction.
NAT64, 6to4 and IPv4-compatible addresses are addresses of their own.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_network
from typing import NewType

from gateway_auth.core.malformed import Malformed

Address = NewType("Address", int)

UNIX_PEER = "unix"
MAX_HOPS = 64
_MAPPED = 0xFFFF << 32
_LONGEST_ADDRESS = 45
_SLASH_64 = (1 << 64) - 1


def parse_address(text: str) -> Address | None:
    """The address spelled `text`, or None. Strict: no octal, hexadecimal, short or scoped spelling."""
    if len(text) > _LONGEST_ADDRESS or "%" in text:
        return None
    try:
        if ":" in text:
            return Address(int(IPv6Address(text)))
        return Address(_MAPPED | int(IPv4Address(text)))
    except AddressValueError:
        return None


def parse_peer(host: str | None) -> Address | None:
    """The transport peer's address. A zone id (`fe80::1%eth0`) is local knowledge and dropped (RFC 4007)."""
    return parse_address(host.partition("%")[0]) if host else None


def format_address(address: Address) -> str:
    """The canonical text (RFC 5952) of an address."""
    if is_ipv4(address):
        return str(IPv4Address(address & 0xFFFFFFFF))
    return str(IPv6Address(address))


def is_ipv4(address: Address) -> bool:
    """Whether the address stands in the IPv4-mapped block."""
    return address >> 32 == 0xFFFF


def network_of(address: Address) -> int:
    """What limits count by: an IPv4 address itself, an IPv6 address's /64, which one host owns whole."""
    return address if address >> 32 == 0xFFFF else address & ~_SLASH_64


def neighbourhood_of(address: Address) -> int:
    """Where an address belongs to, roughly: its /24, or its /48, which one site owns whole."""
    return address & ~0xFF if address >> 32 == 0xFFFF else address >> 80 << 80


def format_neighbourhood(place: int) -> str:
    """Its text, `198.51.100.0/24` or `2001:db8:1::/48`."""
    address = Address(place)
    return f"{format_address(address)}/{24 if is_ipv4(address) else 48}"


class AddressSet:
    """A set of networks, compiled to sorted boundaries: membership is one binary search.

    The boundaries alternate "enter, leave": an odd number of them at or below an address means it is inside.
    """

    __slots__ = ("boundaries", "texts")

    def __init__(self, networks: Iterable[str]) -> None:
        """Raises ValueError, saying what to write instead, for anything that is not a CIDR or an address."""
        self.texts = tuple(networks)
        boundaries: list[int] = []
        for start, end in sorted(_network_range(text) for text in self.texts):
            if boundaries and start <= boundaries[-1]:
                boundaries[-1] = max(boundaries[-1], end)
            else:
                boundaries += (start, end)
        self.boundaries = boundaries

    def __contains__(self, address: Address) -> bool:
        return bisect_right(self.boundaries, address) & 1 == 1

    def __bool__(self) -> bool:
        return bool(self.boundaries)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AddressSet) and self.boundaries == other.boundaries

    def __hash__(self) -> int:
        return hash(tuple(self.boundaries))


def _network_range(text: str) -> tuple[int, int]:
    """First address and the one after the last. Host bits set are refused: the writer meant something else."""
    try:
        if "%" in text:
            raise ValueError("a zone id is local to one host")
        network = ip_network(text, strict=True)
    except ValueError as error:
        raise ValueError(_explain_network(text)) from error
    base = int(network.network_address)
    if network.version == 4:
        base |= _MAPPED
    return base, base + network.num_addresses


def _explain_network(text: str) -> str:
    try:
        meant = ip_network("" if "%" in text else text, strict=False)
    except ValueError:
        return f'"{text[:64]}" is not an address or CIDR; write for example "10.0.0.0/8" or "2001:db8::/32"'
    return f'"{text[:64]}" has host bits set; write "{meant}" for the network or the address alone'


def is_network_allowed(allow: AddressSet, deny: AddressSet, client: Address | None) -> bool:
    """Deny wins; with any rule present, a client without an address is outside."""
    allowed, denied = allow.boundaries, deny.boundaries
    if not allowed and not denied:
        return True
    if client is None or bisect_right(denied, client) & 1:
        return False
    return not allowed or bisect_right(allowed, client) & 1 == 1


def permitted(allow: AddressSet, deny: AddressSet) -> list[int] | None:
    """The boundaries of what both lists permit together, for one search per request; None where neither rules."""
    if not allow and not deny:
        return None
    boundaries: list[int] = []
    for edge in sorted({0, *allow.boundaries, *deny.boundaries}):
        is_inside = len(boundaries) & 1 == 1
        if is_network_allowed(allow, deny, Address(edge)) != is_inside:
            boundaries.append(edge)
    return boundaries


def client_address(peer: Address | None, value: bytes, style: str, trusted: AddressSet) -> Address | Malformed | None:
    """The client's address by what a trusted peer says, right to left; the peer's own if it says nothing.

    `value` is the configured header, several lines joined by commas in order. The first address from the right that is
    not a trusted proxy is the client; when all are trusted, the leftmost. An element that does not parse stops
    the reading and refuses the request: skipping it would let a client choose what stands before it.
    """
    joined = value.strip(b" \t")
    if not joined:
        return peer
    if style == "forwarded":
        hops = _forwarded_hops(joined)
    else:
        hops = [_strip_port(hop) for hop in joined.decode("latin-1").split(",")]
        if style != "x-forwarded-for" and len(hops) > 1:
            return Malformed("the client address header from a trusted proxy has more than one value")
    if hops is None or len(hops) > MAX_HOPS:
        return Malformed("the forwarding header from a trusted proxy cannot be read")
    address: Address | None = peer
    for hop in reversed(hops):
        address = parse_address(hop)
        if address is None:
            return Malformed("the forwarding header from a trusted proxy names something else than addresses")
        if address not in trusted:
            break
    return address


_IPV4_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}")
_IPV6_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?")


def _strip_port(hop: str) -> str:
    hop = hop.strip(" \t")
    match = _IPV4_PORT.fullmatch(hop) or _IPV6_PORT.fullmatch(hop)
    return match.group(1) if match else hop


_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[^"\\\x00-\x1f\x7f]|\\[\t\x20-\x7e])*"'
_PAIR = re.compile(rf"[ \t]*({_TOKEN})=({_TOKEN}|{_QUOTED})[ \t]*")


def _forwarded_hops(value: bytes) -> list[str] | None:
    """The `for` of every element of a Forwarded header (RFC 7239 section 4), or None when it is malformed."""
    text = value.decode("latin-1")
    hops: list[str] = []
    position = 0
    seen: dict[str, str] = {}
    while True:
        match = _PAIR.match(text, position)
        if match is None or match.group(1).lower() in seen:
            return None
        seen[match.group(1).lower()] = match.group(2)
        position = match.end()
        separator = text[position : position + 1]
        position += 1
        if separator == ";":
            continue
        if "for" not in seen:
            return None
        hops.append(_forwarded_node(seen["for"]))
        seen = {}
        if separator == "":
            return hops
        if separator != ",":
            return None


def _forwarded_node(value: str) -> str:
    """RFC 7239 section 6: an IPv6 address or a port needs quotes; without them it is not an address."""
    if value.startswith('"'):
        return _strip_port(value[1:-1])
    return value if ":" not in value else ""
