"""The entrance: a file or mapping, the environment and the command line to one `Configuration`."""

from __future__ import annotations

import os
from collections.abc import Mapping

from msgspec.structs import replace

from gateway_auth.config.compile import compile_configuration
from gateway_auth.config.configuration import Configuration
from gateway_auth.config.contradictions import find_contradictions
from gateway_auth.config.examine import examine
from gateway_auth.config.keyring import open_keyring
from gateway_auth.config.overlay import apply_environment, find_unread, merge
from gateway_auth.config.problems import spell
from gateway_auth.config.shape import Path
from gateway_auth.config.source import read
from gateway_auth.errors import ConfigError, Problem

__all__ = ["Configuration", "load"]


def load(
    source: str | os.PathLike[str] | Mapping[str, object] | Configuration,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Configuration:
    """The configuration of `source`: a file (`.yaml` or `.yml`: YAML, else TOML), a mapping, or one loaded.

    `environ` is the process's environment unless given. `overrides` is what the command line says, nested or
    with dotted names. Raises ConfigError with every problem found; nothing has been opened or started then.
    """
    if isinstance(source, Configuration):
        if overrides:
            raise ConfigError("a loaded Configuration cannot be overridden; load its source with overrides instead")
        return source
    environ = os.environ if environ is None else environ
    found = read(source)
    origins, unplaced = apply_environment(found.tables, environ)
    overridden, unmerged = merge(found.tables, overrides or {})
    origins = {path: name for path, name in origins.items() if not _is_under(path, overridden)}
    examined = examine(found.tables)
    keyring, unusable = open_keyring(found.tables, environ, found.folder)
    problems = [
        *found.problems,
        *unmerged,
        *examined.problems,
        *unusable,
        *find_contradictions(examined, found.folder),
    ]
    if problems or unplaced:
        raise ConfigError([*unplaced, *(_with_origin(problem, origins) for problem in problems)])
    configuration = compile_configuration(examined, keyring, found)
    return replace(configuration, warnings=(*find_unread(environ, found.tables), *configuration.warnings))


def _is_under(path: Path, others: list[Path]) -> bool:
    return any(path[: len(other)] == other for other in others)


def _with_origin(problem: Problem, origins: Mapping[Path, str]) -> Problem:
    """The problem, naming the environment variable it comes from, if one does."""
    for path, name in origins.items():
        spelled = spell(path)
        if problem.path == spelled or problem.path.startswith((f"{spelled}.", f"{spelled}[")):
            return Problem(problem.path, f"{problem.message} (set by {name})")
    return problem
