"""Reading TOML, YAML or a mapping as plain tables and lists. It does not know which keys exist."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from gateway_auth.config.problems import one_line, problem
from gateway_auth.config.shape import Path as KeyPath
from gateway_auth.config.yaml_file import parse_yaml
from gateway_auth.errors import ConfigError, Problem

MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 32
MAX_VALUES = 200_000


class Source(Struct):
    """What was written. `tables` may be changed; relative paths start at `folder`; `name` is the file."""

    tables: dict[str, object]
    folder: Path
    name: str | None
    problems: list[Problem]


def read(source: str | os.PathLike[str] | Mapping[str, object]) -> Source:
    """What `source` holds. Raises ConfigError where nothing can be read from it."""
    if isinstance(source, Mapping):
        return _source(source, Path.cwd(), None)
    if not isinstance(source, str | os.PathLike):
        raise ConfigError("the configuration must be a path, a mapping or a loaded Configuration")
    path = Path(source)
    content = _read_text(path)
    if path.suffix.lower() in (".yaml", ".yml"):
        return _source(parse_yaml(content, str(path)), path.absolute().parent, str(path))
    return _source(_parse_toml(content, str(path)), path.absolute().parent, str(path))


def _source(written: object, folder: Path, name: str | None) -> Source:
    if not isinstance(written, Mapping):
        raise ConfigError([Problem(name or "", "must be a table of sections, such as [gateway]")])
    cleaner = _Cleaner()
    tables = cleaner.clean(written, ())
    return Source(tables if isinstance(tables, dict) else {}, folder, name, cleaner.problems)


def _read_text(path: Path) -> str:
    name = one_line(str(path))
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise ConfigError([Problem(name, "no such file; `gateway-auth init` writes one, -c names another")]) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise ConfigError([Problem(name, f"cannot be read: {reason}")]) from error
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError([Problem(name, f"is longer than {MAX_FILE_BYTES} bytes")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(name, f"is not UTF-8 (line {line})")]) from error


def _parse_toml(content: str, name: str) -> object:
    try:
        return tomllib.loads(content)
    except RecursionError as error:
        raise ConfigError([Problem(name, "is nested too deeply")]) from error
    except ValueError as error:
        # Besides its own error, which names the line, tomllib lets those of int() and datetime() through.
        raise ConfigError([Problem(one_line(name), f"is not TOML: {one_line(str(error)[:200])}")]) from error


def plain(value: object, path: KeyPath) -> tuple[object, list[Problem]]:
    """`value` as fresh dicts and lists, and what is wrong with its form."""
    cleaner = _Cleaner()
    return cleaner.clean(value, path), cleaner.problems


class _Cleaner:
    """Copies tables and lists, bounded: YAML aliases and Python objects may nest and repeat without end."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._left = MAX_VALUES

    def clean(self, value: object, path: KeyPath) -> object:
        self._left -= 1
        if self._left == 0:
            self.problems.append(problem((), f"holds more than {MAX_VALUES} values"))
        if self._left <= 0:
            return None
        if not isinstance(value, Mapping | list | tuple):
            return value
        if len(path) >= MAX_DEPTH:
            self.problems.append(problem(path[:4], "is nested too deeply"))
            return None
        if isinstance(value, Mapping):
            return self._clean_table(value, path)
        return [self.clean(item, (*path, index)) for index, item in enumerate(value)]

    def _clean_table(self, value: Mapping[object, object], path: KeyPath) -> dict[str, object]:
        table: dict[str, object] = {}
        for key, item in value.items():
            if isinstance(key, str):
                table[key] = self.clean(item, (*path, key))
            else:
                self.problems.append(
                    problem(path, "every key must be text; put quotes around numbers, dates, on, off, yes, no")
                )
        return table
