"""What stands above the file: environment variables, and above them the command line."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping

from msgspec import Struct

from gateway_auth.config import shape
from gateway_auth.config.problems import problem
from gateway_auth.config.schema import Document
from gateway_auth.config.shape import Path
from gateway_auth.config.source import plain
from gateway_auth.core.strict_json import parse_array, parse_object
from gateway_auth.errors import Problem

PREFIX = "GATEWAY_AUTH_"
NESTING = "__"


class Unplaceable(Exception):
    """A variable names a place where nothing can be put."""

    def __init__(self, path: Path, message: str) -> None:
        self.path = path
        super().__init__(message)


class Setting(Struct, frozen=True):
    """One environment variable that is a configuration key."""

    name: str
    parts: tuple[str, ...]
    text: str

    @property
    def order(self) -> tuple[int, list[tuple[int, str]]]:
        """Tables before what goes into them; positions of lists as numbers, so that 10 comes after 9."""
        return len(self.parts), [(len(part) if part.isdecimal() else 0, part) for part in self.parts]


def environment_name(path: Path) -> str:
    """The variable that sets the key at `path`."""
    return PREFIX + NESTING.join(str(part) for part in path).upper()


def apply_environment(tables: dict[str, object], environ: Mapping[str, str]) -> tuple[dict[Path, str], list[Problem]]:
    """Put every variable `GATEWAY_AUTH_A__B` at a.b of `tables`. Returns who set what, and what could not."""
    origins: dict[Path, str] = {}
    problems: list[Problem] = []
    for setting in sorted(_settings(environ), key=lambda setting: setting.order):
        try:
            path, value = _place(tables, setting)
        except Unplaceable as error:
            problems.append(problem(error.path, f"{error} (set by {setting.name})"))
            continue
        if path in origins:
            problems.append(problem(path, f"is set by both {origins[path]} and {setting.name}; unset one"))
        origins[path] = setting.name
        problems += value
    return origins, problems


def _settings(environ: Mapping[str, str]) -> list[Setting]:
    found = []
    for name, text in environ.items():
        key = name[len(PREFIX) :].lower()
        if name.upper().startswith(PREFIX) and NESTING in key:
            found.append(Setting(name, tuple(key.split(NESTING)), text))
    return found


def _place(tables: dict[str, object], setting: Setting) -> tuple[Path, list[Problem]]:
    node: object = tables
    found: object = Document
    path: Path = ()
    for position, part in enumerate(setting.parts):
        key = _key(node, found, part, path)
        found = shape.child(found, key)
        path = (*path, key)
        # Nothing is known below an unknown key: it is put there, and the schema refuses it by its name.
        if found is None or position == len(setting.parts) - 1:
            value, problems = plain(_parse(setting.text, found), path)
            _put(node, key, value)
            return path, problems
        node = _descend(node, key, found, path)
    raise Unplaceable(path, "is not the name of a key")  # pragma: no cover - a name has at least two parts


def _key(node: object, found: object, part: str, path: Path) -> str | int:
    """`part` of a variable's name as the key or position it means in `node`."""
    if isinstance(node, list):
        if not (part.isascii() and part.isdecimal()) or len(part) > 6:
            raise Unplaceable(path, f"is a list: a number must follow, such as {environment_name((*path, 0))}")
        if int(part) > len(node):
            raise Unplaceable(path, f"has {len(node)} entries: the next one to add is number {len(node)}")
        return int(part)
    if not part:
        raise Unplaceable(path, "a name of a key is missing between the underscores")
    if shape.is_named_table(found) and isinstance(node, dict):
        return next((key for key in node if key.lower() == part), part)
    return part


def _descend(node: object, key: str | int, found: object, path: Path) -> object:
    """The table or list at `key` of `node`, made when there is none yet."""
    has_keys = shape.model_of(found) is not None or shape.is_named_table(found)
    if not has_keys and not shape.is_list(found):
        raise Unplaceable(path, "takes a value, and no keys below it")
    there = _get(node, key)
    if there is None or there is False:
        there = {} if has_keys else []
        _put(node, key, there)
    if not isinstance(there, dict if has_keys else list):
        raise Unplaceable(path, f"must be a {'table' if has_keys else 'list'}")
    return there


def _get(node: object, key: str | int) -> object:
    if isinstance(node, dict):
        return node.get(key)
    return node[key] if isinstance(node, list) and isinstance(key, int) and key < len(node) else None


def _put(node: object, key: str | int, value: object) -> None:
    if isinstance(node, dict):
        node[key] = value
    elif isinstance(node, list) and isinstance(key, int):
        node[key : key + 1] = [value]


def _parse(text: str, found: object) -> object:
    """The value a variable means: TOML or JSON where it is that, else text. Where text belongs, only quotes go."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text if shape.is_text(found) else _parse_json(text)
    value = parsed.get("value")
    if set(parsed) != {"value"} or not isinstance(value, str | int | float | list | dict):
        return text
    return text if shape.is_text(found) and not isinstance(value, str) else value


def _parse_json(text: str) -> object:
    """The object or array that `text` is in JSON, as programs write it; else `text`."""
    data = text.encode(errors="surrogatepass")
    return next((value for value in (parse_object(data), parse_array(data)) if value is not None), text)


def find_unread(environ: Mapping[str, str], tables: Mapping[str, object]) -> list[Problem]:
    """Warnings of variables with one underscore where two belong: they set nothing, unless a secret is read there."""
    referred = set(_references(tables))
    unread = []
    for name in environ:
        if not name.upper().startswith(PREFIX) or NESTING in name[len(PREFIX) :] or name in referred:
            continue
        path = _KEYS.get(name[len(PREFIX) :].lower())
        if path is not None:
            message = f"is not set by {name}: two underscores go between table and key, {environment_name(path)}"
            unread.append(problem(path, message))
    return unread


def _references(value: object) -> Iterator[str]:
    """The variables that secrets are read from, wherever in the configuration."""
    if isinstance(value, str):
        if value.startswith("env:"):
            yield value.removeprefix("env:")
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _references(inner)


_KEYS = {
    f"{section}_{key}": (section, key)
    for section, field in Document.model_fields.items()
    if (model := shape.model_of(field.annotation)) is not None
    for key in model.model_fields
}
"""What is easily written for the keys of tables that stand alone: `gateway_listen`."""


def merge(tables: dict[str, object], above: Mapping[str, object]) -> tuple[list[Path], list[Problem]]:
    """Put what the command line says over `tables`: what was set, and what is wrong with its form.

    Names of the outermost level may be dotted, `gateway.listen`; None says nothing.
    """
    done: list[Path] = []
    problems: list[Problem] = []
    for name, value in above.items():
        *folders, key = str(name).split(".")
        for folder in reversed(folders):
            key, value = folder, {key: value}
        cleaned, found = plain({key: value}, ())
        problems += found
        if isinstance(cleaned, dict):
            done += _lay_over(tables, cleaned, ())
    return done, problems


def _lay_over(below: dict[str, object], above: dict[str, object], path: Path) -> list[Path]:
    done: list[Path] = []
    for key, value in above.items():
        inner = below.get(key)
        if isinstance(value, dict) and isinstance(inner, dict):
            done += _lay_over(inner, value, (*path, key))
        elif value is not None:
            below[key] = _without_nothing(value)
            done.append((*path, key))
    return done


def _without_nothing(value: object) -> object:
    """`value` without the keys that say nothing."""
    if not isinstance(value, dict):
        return value
    return {key: _without_nothing(inner) for key, inner in value.items() if inner is not None}
