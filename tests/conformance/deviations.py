"""Where a server answers before the gateway is asked, and not as the shared cases have it: exactly what comes instead.

Each is safe in itself (no second request, nothing forbidden reached) and is asserted, so that none changes unseen.
"""

from __future__ import annotations

from typing import NamedTuple

SERVERS = {
    "mounted-granian": "granian",
    "standalone": "http1",
    "mounted-uvicorn": "uvicorn",
    "mounted-http1": "http1",
    "proxied-uvicorn": "uvicorn",
}


class Instead(NamedTuple):
    """What comes instead: the statuses, how many requests go on, and whether the connection ends."""

    statuses: tuple[int, ...]
    records: int
    is_over: bool
    reason: str


RAW: dict[tuple[str, str], Instead] = {
    ("granian", "RAWH-A001"): Instead(
        (200,), 1, True, "takes Transfer-Encoding, drops Content-Length, closes (RFC 9112 section 6.3 lets it)"
    ),
    ("granian", "RAWH-A023"): Instead((), 0, True, "closes unanswered on the HTTP/2 preface"),
    ("uvicorn", "RAWH-A014"): Instead((), 0, False, "waits for the rest of a request that has no version"),
}

FRAGMENT = {"PATH-A022": b"/public/"}
"""Granian and uvicorn's own protocols cut a target at `#` and pass on no trace of it: what is before it is judged."""
CUT = frozenset(edge for edge, server in SERVERS.items() if server != "http1")
MOUNTED_ONLY = frozenset(("upgrade", "http2-settings"))
"""A mounted app is told the connection's own headers by its server. A proxy forwards none of them."""


def instead(edge: str, case_id: str) -> Instead | None:
    """The deviation of an edge in a raw case, if there is one."""
    return RAW.get((SERVERS[edge], case_id))
