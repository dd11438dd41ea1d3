"""Raw requests to the standalone proxy, whole and cut in two: each on a connection of its own, many at a time.

Every boundary is a chance for two parsers to disagree. `GATEWAY_AUTH_SPLITS` says how many of each request are tried,
or `all`.
"""

from __future__ import annotations

import os
import random
import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from tests.conformance.edges import fresh_address
from tests.conformance.record import Record
from tests.conformance.wire import Answer, Connection

VARIABLE = "GATEWAY_AUTH_SPLITS"
AT_ONCE = 48
PATIENCE_SECONDS = 0.5
"""For the first answer. Half a request is waited for in vain; what is sent on later is recorded all the same."""


class Sent(NamedTuple):
    """One request on the wire: `position` is where it was cut, 0 for nowhere."""

    name: str
    raw: bytes
    position: int


class Seen(NamedTuple):
    """What came of it on the client's side, by the address it came from."""

    sent: Sent
    address: str
    answers: list[Answer]
    is_over: bool


def cuts(name: str, raw: bytes) -> list[Sent]:
    """Whole, and cut at as many boundaries as are asked for; always the same ones."""
    wanted = os.environ.get(VARIABLE, "2")
    inner = range(1, len(raw))
    positions = inner if wanted == "all" else random.Random(name).sample(inner, min(int(wanted), len(inner)))
    return [Sent(name, raw, position) for position in (0, *positions)]


def send_all(port: int, requests: Iterable[Sent], patience_seconds: float = PATIENCE_SECONDS) -> list[Seen]:
    """All of them."""

    def send(sent: Sent) -> Seen:
        address = fresh_address()
        with Connection(port, address) as connection:
            connection.send_in_two(sent.raw, sent.position)
            return Seen(sent, address, connection.answers(patience_seconds=patience_seconds), connection.is_over)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        seen = list(pool.map(send, requests))
    time.sleep(PATIENCE_SECONDS)  # what was sent on late is recorded by then
    return seen


def by_address(records: list[Record]) -> dict[str, list[Record]]:
    """What the upstream got, by the client it was told of."""
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        (address,) = record.values("x-forwarded-for")
        found[address].append(record)
    return found
