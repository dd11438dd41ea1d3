"""An upstream out of a single address, for those who configure no groups. Knows nothing of requests."""

from __future__ import annotations

from gateway_auth.core.upstream import Upstream, parse_server
from gateway_auth.errors import ConfigError


class InvalidUpstream(ConfigError, ValueError):
    """An upstream that cannot be used; the text says what to write instead."""


def parse_upstream(address: str) -> Upstream:
    """`http://host[:port]`, `https://host[:port]` or `unix:/path` as an `Upstream` of one server.

    Raises `InvalidUpstream`, which is a ConfigError and a ValueError.
    """
    try:
        server = parse_server(address)
    except ValueError as error:
        raise InvalidUpstream(f"upstream {error}") from None
    return Upstream(name=server.url, servers=(server,))
