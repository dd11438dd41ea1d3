"""What the schema found, in the operator's words: where, what is wrong, what to write instead."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway_auth.config import shape
from gateway_auth.config.shape import Path
from gateway_auth.errors import Problem

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST_KEY = 64

_PLAIN = {
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "invalid_key": "every key of a table must be text",
    "string_unicode": "must be text in UTF-8",
    "string_too_short": "must not be empty",
    "string_too_long": "is too long",
    "too_short": "must not be empty",
}
_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def spell(path: Path) -> str:
    """The path as operators read it: `routes[3].limits[0].rate`; odd keys in quotes."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _is_bare(part) else shown(part))
    return text


def _is_bare(key: str) -> bool:
    return len(key) <= _LONGEST_KEY and _BARE_KEY.fullmatch(key) is not None


def shown(text: str) -> str:
    """`text` in double quotes, bounded, with everything unprintable escaped."""
    return json.dumps(text[:_LONGEST_KEY])


def one_line(message: str) -> str:
    """`message` with everything that could break the line or drive a terminal escaped."""
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in message)


def problem(path: Path, message: str) -> Problem:
    """One problem, safe to print."""
    return Problem(spell(path), one_line(message))


def suggest(found: str, known: Iterable[str]) -> str:
    """`, did you mean "…"?` for the closest of `known`, or nothing."""
    close = get_close_matches(found[:_LONGEST_KEY].lower().replace("-", "_"), known, n=1)
    return f', did you mean "{close[0]}"?' if close else ""


def unknown_key(path: Path, known: Iterable[str]) -> Problem:
    """The problem of the key at the end of `path`, which is none of `known`."""
    key = str(path[-1])
    names = sorted(known)
    return problem(path, f"unknown key {shown(key)}" + (suggest(key, names) or f"; known are {', '.join(names)}"))


def explain(error: ValidationError, model: type[BaseModel], path: Path) -> list[Problem]:
    """Every problem of one validation of `model`, which stands at `path`."""
    return [_explain_one(details, model, path) for details in error.errors(include_url=False)]


def _explain_one(details: ErrorDetails, model: type[BaseModel], path: Path) -> Problem:
    where = path + tuple(part for part in details["loc"] if part != "[key]")
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        parent = shape.model_of(shape.at(model, details["loc"][:-1]))
        return unknown_key(where, parent.model_fields if parent is not None else ())
    if kind == "missing":
        return problem(where, _explain_missing(model, details["loc"]))
    if kind == "value_error":
        return problem(where, str(context["error"]))
    if kind == "literal_error":
        return problem(where, _explain_choice(model, details))
    if kind in _BOUNDS:
        words, limit = _BOUNDS[kind]
        return problem(where, f"must be {words} {context[limit]}")
    return problem(where, _PLAIN.get(kind, "cannot be used; see the configuration reference"))


def _explain_missing(model: type[BaseModel], location: Path) -> str:
    parent = shape.model_of(shape.at(model, location[:-1]))
    key = str(location[-1])
    examples = parent.model_fields[key].examples if parent is not None else None
    if not examples:
        return "is missing"
    return f"is missing; write for example {key} = {json.dumps(examples[0])}"


def _explain_choice(model: type[BaseModel], details: ErrorDetails) -> str:
    found: Any = details["input"]
    choices = shape.choices_of(shape.at(model, details["loc"]))
    listed = " or ".join(f'"{choice}"' for choice in choices)
    hint = suggest(found, choices) if isinstance(found, str) else ""
    return f"unknown value {shown(found)}{hint}" if hint else f"must be {listed}"
