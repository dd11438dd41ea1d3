"""How lists of networks stand to each other. IPv4 stands in its IPv4-mapped place, as in the core."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_network

EVERYBODY = ("::/0",)
EVERYBODY_IPV4 = ("0.0.0.0/0",)
PUBLIC_IPV6 = ("2000::/3",)


def covers(outer: Iterable[str], inner: Iterable[str]) -> bool:
    """Whether every address of `inner` is in `outer`. Both hold networks that parse."""
    blocks = list(collapse_addresses(_mapped(text) for text in outer))
    return all(any(_mapped(text).subnet_of(block) for block in blocks) for text in inner)


def believes_everybody(networks: Iterable[str]) -> bool:
    """Whether the networks, alone or together, hold the whole public internet of one family."""
    listed = tuple(networks)
    return covers(listed, EVERYBODY_IPV4) or covers(listed, PUBLIC_IPV6)


def _mapped(text: str) -> IPv6Network:
    network: IPv4Network | IPv6Network = ip_network(text)
    if isinstance(network, IPv6Network):
        return network
    base = int(IPv6Address("::ffff:0:0")) | int(IPv4Address(network.network_address))
    return IPv6Network((base, 96 + network.prefixlen))
