"""What the middleware costs a server: requests per second and CPU time, with it and without, round by round."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from msgspec import Struct
from msgspec.structs import replace

from benchmarks.figure import Figure, Sizes, show, summarize
from benchmarks.load import CONNECTIONS, offer
from benchmarks.server_apps import SITE
from benchmarks.servers import Server, cores, serving
from benchmarks.varied import offer_varied
from benchmarks.world import PATH, REFERRER, make_site

WARM_SECONDS = 1.0
LEAST_BUSY = 0.85
"""Of its core, that a server must have had for its requests per second to be what it can do."""


class Round(Struct, frozen=True):
    """Requests per second, and CPU microseconds of the server per request."""

    rate: float
    cpu: float

    @property
    def busy(self) -> float:
        """The share of one core that the server had."""
        return self.rate * self.cpu / 1e6


def run(sizes: Sizes) -> list[Figure]:
    """The figures of `http`: on uvicorn, then on Granian."""
    with tempfile.TemporaryDirectory() as name:
        headers, environment = prepare(Path(name))
        return [figure for server in ("uvicorn", "granian") for figure in _compare(server, headers, environment, sizes)]


def prepare(directory: Path, **gateway: object) -> tuple[dict[str, str], dict[str, str]]:
    """A site in a directory: the headers requests for it carry, and the environment servers find it by."""
    site = asyncio.run(make_site(directory))
    file = directory / "site.json"
    file.write_text(json.dumps(site.config | {"gateway": {"realm": "orders", **gateway}}), "utf-8")
    return {"x-api-key": site.key, "referer": REFERRER, "accept": "*/*"}, {SITE: str(file)}


def measure(
    server: Server,
    headers: Mapping[str, str],
    seconds: float,
    core: int | None,
    connections: int = CONNECTIONS,
    *,
    is_awake: bool = False,
) -> Round:
    """One round of load; `is_awake` is as of `load.offer`."""
    before = server.cpu_seconds()
    load = offer(server.port, PATH, headers, seconds, core, connections, is_awake=is_awake)
    return Round(load.rate, (server.cpu_seconds() - before) / load.answered * 1e6)


def measure_varied(server: Server, requests: Sequence[bytes], seconds: float, core: int | None) -> Round:
    """One round of requests that differ."""
    before = server.cpu_seconds()
    load = offer_varied(server.port, requests, seconds, core)
    return Round(load.rate, (server.cpu_seconds() - before) / load.answered * 1e6)


def _compare(name: str, headers: Mapping[str, str], environment: Mapping[str, str], sizes: Sizes) -> list[Figure]:
    core, load_core = cores()
    bare, guarded = [], []
    with serving(name, "bare", core, environment) as without, serving(name, "guarded", core, environment) as with_it:
        for server in (without, with_it):
            offer(server.port, PATH, headers, min(WARM_SECONDS, sizes.server_seconds), load_core)
        for _ in range(sizes.server_rounds):
            bare.append(measure(without, headers, sizes.server_seconds, load_core, is_awake=True))
            guarded.append(measure(with_it, headers, sizes.server_seconds, load_core, is_awake=True))
    shares = [ours.rate / theirs.rate * 100 for ours, theirs in zip(guarded, bare, strict=True)]
    added = [ours.cpu - theirs.cpu for ours, theirs in zip(guarded, bare, strict=True)]
    cpu_shares = [theirs.cpu / ours.cpu * 100 if ours.cpu else 0.0 for ours, theirs in zip(guarded, bare, strict=True)]
    busy = median(each.busy for each in (*bare, *guarded))
    best = max(ours.rate for ours in guarded) / max(theirs.rate for theirs in bare) * 100
    note = f"best with over best without {show(best)}; {sizes.server_rounds} rounds"
    share = summarize(f"http.{name}.share", shares, lowest_is_best=False, note=note)
    if busy < LEAST_BUSY:
        share = replace(share, doubt=f"the servers had only {busy:.0%} of their core")
    return [
        share,
        summarize(f"http.{name}.cpu_share", cpu_shares, lowest_is_best=False),
        summarize(
            f"http.{name}.bare",
            [theirs.rate for theirs in bare],
            lowest_is_best=False,
            note=f"with it {show(median(ours.rate for ours in guarded))}; {CONNECTIONS} connections",
        ),
        summarize(f"http.{name}.cpu", added, note=f"without {show(median(theirs.cpu for theirs in bare))}"),
    ]
