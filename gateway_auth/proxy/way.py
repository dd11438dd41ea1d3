"""The way of a route's requests to their upstream."""

from __future__ import annotations

import msgspec

from gateway_auth.proxy.balancer import Balancer


class Patience(msgspec.Struct, frozen=True):
    """Timeouts in ticks of the sweep."""

    head_ticks: int
    idle_ticks: int
    is_upstreams: bool = True
    """As long as the upstream says; otherwise a route waits less or longer, and what is late for it is no failure."""


class Way(msgspec.Struct, frozen=True):
    """To an upstream, as one route goes it."""

    balancer: Balancer
    patience: Patience
