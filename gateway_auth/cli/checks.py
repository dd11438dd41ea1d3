"""What `doctor` looks at besides the store: configuration, files, port and clock. It changes nothing."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from msgspec import Struct

from gateway_auth.config import Configuration
from gateway_auth.errors import CannotServe, ConfigError, Problem
from gateway_auth.server.composition import refuse_unservable
from gateway_auth.server.listening import is_gateway, refuse_taken, resolve, spelled

Status = Literal["ok", "warning", "failed"]

EARLIEST = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
LATEST = datetime(2100, 1, 1, tzinfo=UTC).timestamp()


class Check(Struct, frozen=True):
    """One thing looked at. `detail` says what was found and, where it is not well, what to do."""

    check: str
    status: Status
    detail: str


def check_problems(problems: list[Problem]) -> Iterator[Check]:
    """A configuration that does not load: each problem, those of secrets by themselves."""
    for problem in problems:
        yield Check("secrets" if problem.path.startswith("secrets") else "configuration", "failed", str(problem))


def check_configuration(configuration: Configuration) -> Iterator[Check]:
    """A configuration that loads: what one should know about it."""
    policies = configuration.rules.policies
    yield Check("configuration", "ok", f"{len(policies)} routes; every request that matches none is refused")
    for warning in configuration.warnings:
        yield Check("configuration", "warning", str(warning))
    public = [f"{policy.id} ({policy.path})" for policy in policies if policy.access == "public"]
    if public:
        yield Check("public routes", "warning", f"anybody may call {', '.join(public)}")
    try:
        refuse_unservable(configuration)
    except ConfigError as error:
        for problem in error.problems:
            yield Check("upstreams", "warning", f"`gateway-auth serve` will not start: {problem}")


def check_files(configuration: Configuration, secrets: Sequence[Path]) -> Iterator[Check]:
    """Who else on this machine may read or write what the gateway stands on."""
    found = list(_open_files(configuration, secrets))
    yield from found
    if not found:
        yield Check("files", "ok", "nobody else may write the configuration, or read secrets and store")


def _open_files(configuration: Configuration, secrets: Sequence[Path]) -> Iterator[Check]:
    if configuration.source is not None and _mode(Path(configuration.source)) & (stat.S_IWGRP | stat.S_IWOTH):
        advice = "may be written by others, who then decide who passes: chmod go-w"
        yield Check("files", "failed", f"{configuration.source} {advice}")
    for file in secrets:
        if _mode(file) & stat.S_IRGRP:
            yield Check("files", "warning", f"{file} may be read by its group: chmod 600 unless that is meant")
    store = configuration.store_url.removeprefix("sqlite:///")
    for suffix in ("", "-wal", "-shm") if store != configuration.store_url else ():
        file = Path(store + suffix)
        if _mode(file) & (stat.S_IRWXG | stat.S_IRWXO):
            yield Check("files", "warning", f"{file} is open to other users of this machine: chmod 600")


def _mode(path: Path) -> int:
    """Permissions of the file; none where there is no file."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def check_port(configuration: Configuration) -> Check:
    """Whether `serve` could listen; a gateway that listens already is well too."""
    host, port = configuration.listen
    try:
        address = resolve(host, port)
        refuse_taken(address, port)
    except CannotServe as error:
        if is_gateway(host, port, is_tls=configuration.tls is not None):
            return Check("port", "ok", f"a gateway answers on {spelled(host, port)}")
        return Check("port", "failed", str(error))
    return Check("port", "ok", f"{spelled(host, port)} is free")


def check_clock(newest_record: int) -> Check:
    """Whether the clock can be right: expiry is judged by it. `newest_record` is when the store was last added to."""
    now = time.time()
    shown = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if not EARLIEST < now < LATEST:
        return Check("clock", "failed", f"it says {shown}, which cannot be; set it, or expired keys work")
    if now < newest_record - 60:
        return Check("clock", "failed", f"it says {shown}, before the newest entry of the store was made; set it")
    return Check("clock", "ok", shown)
