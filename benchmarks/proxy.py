"""The standalone proxy beside Envoy, Traefik, Caddy, nginx and proxies in Python: one core, one worker, in turns.

Ours checks a key, a scope, a network and a limit; Envoy checks a key and a limit with its own filters; the others check
nothing. Load and upstream share the other core.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from msgspec.structs import replace

from benchmarks.contenders import PYTHON, contenders
from benchmarks.figure import Figure, Sizes, show, summarize
from benchmarks.load import offer
from benchmarks.over_http import LEAST_BUSY, Round, measure, measure_varied
from benchmarks.pace import Pace, offer_steadily
from benchmarks.servers import Server, cores, serving
from benchmarks.varied import request_bytes
from benchmarks.world import PATH

GOALS_FOR = ("envoy", "traefik", "caddy")
"""Compared in every round; the others, which only give an idea, in every second one."""
UNLIKE = ("gateway", "envoy")
"""Asked also with requests of which no two are alike: ours reads fields that repeat once."""
UNLIKE_MARK = " unlike"
UNLIKE_REQUESTS = 5_000
QUIET_MS = 0.5
"""Where the upstream alone takes longer than this, now and then, the machine does something else."""
WARM_SECONDS = 0.5
PACED = 3
"""Rounds at a steady pace, over those without one."""

Rounds = list[dict[str, Round]]


def run(sizes: Sizes) -> list[Figure]:
    """The figures of `proxy`."""
    core, load_core = cores()
    with (
        tempfile.TemporaryDirectory() as name,
        serving("upstream", "", load_core, {}) as upstream,
        contenders(Path(name), upstream.port, core) as (proxies, headers),
    ):
        servers = {"upstream": upstream, **proxies}
        for server in servers.values():
            offer(server.port, PATH, headers, min(WARM_SECONDS, sizes.server_seconds / 2), load_core)
        rounds = _in_turns(servers, headers, sizes, load_core)
        rate = min(median(_rates(rounds, name)) for name in ("gateway", "envoy")) / 2
        paces = _at_pace({name: servers[name] for name in ("upstream", "gateway", "envoy")}, headers, rate, sizes)
    return [*_alone(rounds), *_ratios(rounds), *_latencies(paces, rate)]


def _in_turns(servers: Mapping[str, Server], headers: Mapping[str, str], sizes: Sizes, core: int | None) -> Rounds:
    seconds = sizes.server_seconds / 2
    unlike = unlike_requests("/v1/orders", headers)
    rounds = []
    for number in range(sizes.server_rounds):
        rounds.append(
            {
                name: measure(server, headers, seconds, core)
                for name, server in servers.items()
                if number % 2 == 0 or name in ("gateway", *GOALS_FOR)
            }
        )
        for name in UNLIKE:
            rounds[-1][name + UNLIKE_MARK] = measure_varied(servers[name], unlike, seconds, core)
    return rounds


def unlike_requests(path: str, headers: Mapping[str, str]) -> list[bytes]:
    """As of clients that are traced: no two of them have the same fields, or the same path."""
    return [
        request_bytes(f"{path}/{number}", {**headers, "traceparent": f"00-{number:032x}-{number:016x}-01"})
        for number in range(1, UNLIKE_REQUESTS + 1)
    ]


def _at_pace(
    servers: Mapping[str, Server], headers: Mapping[str, str], rate: float, sizes: Sizes
) -> list[dict[str, Pace]]:
    _, core = cores()
    seconds = sizes.server_seconds / 2
    # One stall of the machine is a round's 99th percentile: of many rounds, most have none.
    return [
        {name: offer_steadily(server.port, PATH, headers, rate, seconds, core) for name, server in servers.items()}
        for _ in range(PACED * max(1, sizes.server_rounds - 1))
    ]


def _alone(rounds: Rounds) -> list[Figure]:
    ours = [each["gateway"] for each in rounds]
    return [
        summarize("proxy.rate", [each.rate for each in ours], lowest_is_best=False, note=f"{len(rounds)} rounds"),
        summarize("proxy.cpu", [each.cpu for each in ours]),
        summarize("proxy.upstream", _rates(rounds, "upstream"), lowest_is_best=False),
    ]


def _ratios(rounds: Rounds) -> list[Figure]:
    figures = [figure for name in GOALS_FOR for figure in compare(f"proxy.{name}", rounds, [name])]
    python = [name for name in PYTHON if name in rounds[0]]
    in_python = compare("proxy.python", rounds, python)
    if len(python) < len(PYTHON):
        # The slowest of them alone would make the goal look reached.
        doubt = f"measured without {', '.join(name for name in PYTHON if name not in python)}"
        in_python = [replace(figure, doubt=doubt) for figure in in_python]
    figures += in_python
    unlike = [{name: each[name + UNLIKE_MARK] for name in UNLIKE} for each in rounds]
    figures += compare("proxy.unlike", unlike, ["envoy"])
    for name in ("envoy bare", "nginx"):
        figures += compare(f"proxy.{name.replace(' ', '_')}", rounds, [name])
    return figures


def compare(figure: str, rounds: Rounds, names: Sequence[str]) -> list[Figure]:
    """Our rate over that of the best of these, and the same reckoned from CPU time."""
    pairs = [(each["gateway"], max((each[name] for name in names), key=_rate)) for each in rounds if names[0] in each]
    ratios = [ours.rate / theirs.rate for ours, theirs in pairs]
    cpu_ratios = [theirs.cpu / ours.cpu if ours.cpu else 0.0 for ours, theirs in pairs]
    told = ", ".join(
        f"{name} {show(median(_rates(rounds, name)))} requests/s with {show(median(_cpu(rounds, name)))} µs of CPU each"
        for name in names
    )
    best = max(ours.rate for ours, _ in pairs) / max(theirs.rate for _, theirs in pairs)
    least = min(theirs.cpu for _, theirs in pairs) / (min(ours.cpu for ours, _ in pairs) or 1.0)
    ratio = summarize(figure, ratios, lowest_is_best=False, note=f"best over best {show(best)}; {told}")
    for side, who in zip(zip(*pairs, strict=True), ("the gateway", " or ".join(names)), strict=True):
        if (busy := median(each.busy for each in side)) < LEAST_BUSY:
            ratio = replace(ratio, doubt=f"{who} had only {busy:.0%} of the core")
    return [ratio, summarize(f"{figure}_cpu", cpu_ratios, lowest_is_best=False, note=f"least over least {show(least)}")]


def _latencies(paces: Sequence[Mapping[str, Pace]], rate: float) -> list[Figure]:
    """Of each round at half of what the slower of the two can do."""
    over = [each["gateway"].p99 / each["envoy"].p99 for each in paces]
    added = [each["gateway"].p99 - each["upstream"].p99 for each in paces]
    p99s = {name: median(each[name].p99 for each in paces) for name in paces[0]}
    p50s = {name: median(each[name].p50 for each in paces) for name in paces[0]}
    told = ", ".join(f"{name} {show(p99s[name])} (median {show(p50s[name])})" for name in paces[0])
    alone = p99s["upstream"]
    doubt = "" if alone <= QUIET_MS else f"without a proxy it was {show(alone)} ms: the machine was busy"
    figures = [
        summarize("proxy.p99", over, note=f"{rate:,.0f} requests/s; {told} ms"),
        summarize("proxy.p99_added", added),
    ]
    return [replace(figure, doubt=doubt) for figure in figures]


def _rate(round_: Round) -> float:
    return round_.rate


def _rates(rounds: Rounds, name: str) -> list[float]:
    return [each[name].rate for each in rounds if name in each]


def _cpu(rounds: Rounds, name: str) -> list[float]:
    return [each[name].cpu for each in rounds if name in each]
