"""How lists of networks stand to each other. IPv4 stands in its IPv4-mapped place, as in the core."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_network

EVERYBODY = ("::/0",)
EVERYBODY_IPV4 = ("0.0.0.0/0",)
PUBLIC_IPV6 = ("2000::/3",)

# Where clouds answer with the machine's own credentials, outside of the link-local blocks.
_METADATA_HOSTS = ("metadata.google.internal", "metadata.goog", "instance-data")
_METADATA_ADDRESSES = ("fd00:ec2::254", "100.100.100.200")
_LINK_LOCAL = ("169.254.0.0/16", "fe80::/10")


def covers(outer: Iterable[str], inner: Iterable[str]) -> bool:
    """Whether every address of `inner` is in `outer`. Both hold networks that parse."""
    blocks = list(collapse_addresses(_mapped(text) for text in outer))
    return all(any(_mapped(text).subnet_of(block) for block in blocks) for text in inner)


def believes_everybody(networks: Iterable[str]) -> bool:
    """Whether the networks, alone or together, hold the whole public internet of one family."""
    listed = tuple(networks)
    return covers(listed, EVERYBODY_IPV4) or covers(listed, PUBLIC_IPV6)


def is_metadata_host(host: str) -> bool:
    """Whether `host` is a link-local address or a known address of a cloud's metadata service."""
    name = host.lower().rstrip(".")
    if name in _METADATA_HOSTS:
        return True
    try:
        network = (str(ip_network(name)),)
    except ValueError:
        return False
    return covers((*_LINK_LOCAL, *_METADATA_ADDRESSES), network)


def _mapped(text: str) -> IPv6Network:
    network: IPv4Network | IPv6Network = ip_network(text)
    if isinstance(network, IPv6Network):
        return network
    base = int(IPv6Address("::ffff:0:0")) | int(IPv4Address(network.network_address))
    return IPv6Network((base, 96 + network.prefixlen))
