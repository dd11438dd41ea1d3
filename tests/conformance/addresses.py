"""The shared address cases on loopback: how their peers and networks are translated where a real socket has to be one.

A served edge sees a peer of 127.0.0.0/8 and nothing else, so

* the trusted network `10.0.0.0/8` of the cases is `127.10.0.0/16`: `10.0.x.y` becomes `127.10.x.y`, as the peer, in
  the headers and as the client expected;
* any other IPv4 peer `a.b.c.d`, trusted by nobody, becomes `127.203.c.d`;
* a client that only a header names needs no translation and gets none;
* `::ffff:10.0.0.5` as a peer (a dual-stack listener), `fe80::1%eth0`, an IPv6 peer and a unix socket cannot be had this
  way. Without a server they can: there every case runs as it stands, with its own list of trusted proxies.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from tests.conformance.vectors import Case, shared

_TRUSTED = re.compile(r"\b10\.0\.(\d+\.\d+)\b")
OTHER_NETWORK = "192.0.2.0/24"
RESTRICTED = "198.51.100.0/24"
"""Stands in where a case that must never believe its header names no allow list of its own."""
BOTH_HEADERS = ("x-forwarded-for", "forwarded")


class Check(NamedTuple):
    """One request with a key of these `networks` (none: unrestricted) and what may come of it."""

    networks: tuple[str, ...]
    statuses: tuple[int, ...]
    client: str | None


def translated(text: str) -> str:
    """With the trusted proxies' addresses as loopback ones."""
    return _TRUSTED.sub(r"127.10.\1", text)


def loopback_peer(peer: str | None) -> str | None:
    """Where to send from; None where no socket of this machine can be that peer."""
    if peer is None or ":" in peer:
        return None
    if _TRUSTED.fullmatch(peer):
        return translated(peer)
    return f"127.203.{peer.split('.', 2)[2]}"


def header_names(case: Case) -> tuple[str, ...]:
    """Which header the case needs to be the configured one; both in turn where it sends both."""
    if case["expect_client"] == "configured-one-only":
        return BOTH_HEADERS
    return ("forwarded",) if any(name == "Forwarded" for name, _ in case["headers"]) else ("x-forwarded-for",)


def checks(case: Case, header: str, *, is_served: bool) -> list[Check]:
    """What to ask for a case, and what is right."""
    expected: str = case["expect_client"]
    peer: str | None = loopback_peer(case["peer"]) if is_served else case["peer"]
    listed = tuple(case["ip_allow_list"] or ())
    if expected == "configured-one-only":
        (value,) = (value for name, value in case["headers"] if name.lower() == header)
        expected = value.removeprefix("for=")
    if expected == "configured-only":
        return [Check((), (200, 400), None), Check(listed, (400, 403), None)]
    if expected == "reject-or-peer":
        return [Check((), (200, 400), peer), Check(listed or (RESTRICTED,), (400, 403), peer)]
    if is_served:
        expected = str(peer) if expected == case["peer"] else translated(expected)
    found = [Check((expected,), (200,), expected), Check((OTHER_NETWORK,), (403,), expected)]
    if listed:
        found.append(Check(listed, (200,) if case["expect_allowed"] else (403,), expected))
    return found


def network_keys() -> dict[str, dict[str, Any]]:
    """A key for every list of networks the checks ask with."""
    lists = {
        check.networks
        for case in shared("ip")
        for header in header_names(case)
        for is_served in (False, True)
        if not (is_served and loopback_peer(case["peer"]) is None)
        for check in checks(case, header, is_served=is_served)
    }
    return {key_name(networks): {"app": "addresses", "allow_networks": list(networks)} for networks in sorted(lists)}


def key_name(networks: tuple[str, ...]) -> str:
    """The name of the key of a list of networks."""
    return "networks " + " ".join(networks)
