"""gateway-auth beside what would be used instead: each of `systems`, in turns with the bare app of its framework.

One server at a time is asked, all of a group on one core and the load on the other. In each round every system is held
against the bare app of the same round, by requests per second and by the server's CPU time per request.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from msgspec.structs import replace

from benchmarks.asking import Asking, prepare
from benchmarks.contenders import APART
from benchmarks.figure import Figure, Sizes, summarize
from benchmarks.load import CONNECTIONS
from benchmarks.over_http import LEAST_BUSY, Round
from benchmarks.redis_server import running_redis
from benchmarks.servers import Server, cores, serving
from benchmarks.systems import BARE, GROUPS, SYSTEMS, Group, System
from benchmarks.varied import offer_varied

WARM_SECONDS = 0.3

Rounds = dict[str, list[Round]]


def run(sizes: Sizes) -> list[Figure]:
    """The figures of `beside`."""
    _, load_core = cores()
    found: dict[str, list[Figure]] = {}
    bare: Rounds = {name: [] for name in BARE}
    with tempfile.TemporaryDirectory() as name, running_redis(load_core) as redis:
        asking = prepare(Path(name), redis, sizes)
        for group in GROUPS:
            rounds = _in_turns(group, asking, sizes)
            for name, system in _available(group).items():
                found[name] = _figures(name, rounds[name], rounds[system.bare])
            for name in bare:
                bare[name] += rounds.get(name, [])
    figures = [figure for each in found.values() for figure in each]
    return [figure for name, rounds in bare.items() if rounds for figure in _alone(name, rounds)] + figures


def apart() -> str | None:
    """The Python of the systems that have one of their own, None where nobody has made it."""
    return os.environ.get(APART)


def _available(group: Group) -> dict[str, System]:
    systems = {name: system for name, system in SYSTEMS.items() if system.group == group}
    return {name: system for name, system in systems.items() if apart() or not system.is_apart}


def _in_turns(group: Group, asking: Asking, sizes: Sizes) -> Rounds:
    """Rounds of a group's systems and of what they are held against."""
    systems = _available(group)
    systems = {name: BARE[name] for name in {system.bare: None for system in systems.values()}} | systems
    rounds: Rounds = {name: [] for name in systems}
    with serving_all(systems, asking) as servers:
        for name, server in servers.items():
            _warm(name, systems[name], server, asking, sizes)
        for _ in range(sizes.beside_rounds):
            for name, server in servers.items():
                rounds[name].append(_measure(name, systems[name], server, asking, sizes.beside_seconds))
    return rounds


def _warm(name: str, system: System, server: Server, asking: Asking, sizes: Sizes) -> None:
    """Over one connection at first: a hash that is slow by intent is not computed by all of them at once."""
    _, core = cores()
    for connections in (1, CONNECTIONS):
        requests = asking.requests(name, system)
        load = offer_varied(server.port, requests, min(WARM_SECONDS, sizes.beside_seconds), core, connections)
        asking.asked(name, load.answered)


def _measure(name: str, system: System, server: Server, asking: Asking, seconds: float) -> Round:
    _, core = cores()
    before = server.cpu_seconds()
    load = offer_varied(server.port, asking.requests(name, system), seconds, core, is_awake=True)
    asking.asked(name, load.answered)
    return Round(load.rate, (server.cpu_seconds() - before) / load.answered * 1e6)


@contextmanager
def serving_all(systems: Mapping[str, System], asking: Asking) -> Iterator[dict[str, Server]]:
    """All of them on the servers' core."""
    core, _ = cores()
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                serving("apart", system.app, core, {}, python=apart() or sys.executable)
                if system.is_apart
                else serving(system.server, system.app, core, asking.environment(name, system))
            )
            for name, system in systems.items()
        }


def _figures(name: str, ours: list[Round], bare: list[Round]) -> list[Figure]:
    pairs = list(zip(ours, bare, strict=True))
    kept = summarize(f"beside.{name}.kept", [o.rate / b.rate * 100 for o, b in pairs], lowest_is_best=False)
    if (busy := median(each.busy for each in ours)) < LEAST_BUSY:
        kept = replace(kept, doubt=f"the server had only {busy:.0%} of its core")
    cpu_kept = [b.cpu / o.cpu * 100 if o.cpu else 0.0 for o, b in pairs]
    return [kept, summarize(f"beside.{name}.cpu_kept", cpu_kept, lowest_is_best=False), *_alone(name, ours)]


def _alone(name: str, rounds: list[Round]) -> list[Figure]:
    return [
        summarize(f"beside.{name}.rate", [each.rate for each in rounds], lowest_is_best=False),
        summarize(f"beside.{name}.cpu", [each.cpu for each in rounds]),
    ]
