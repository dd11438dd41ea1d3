"""Writes a configuration as an operator would: TOML, out of a mapping. Knows only what these tests write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def dump(tables: Mapping[str, Any]) -> str:
    """One section per table, `[[routes]]` for lists of tables."""
    lines: list[str] = []
    for name, value in tables.items():
        for table in value if isinstance(value, list) else [value]:
            lines.append(f"[[{name}]]" if isinstance(value, list) else f"[{name}]")
            lines += [f"{_key(key)} = {_value(entry)}" for key, entry in table.items()]
            lines.append("")
    return "\n".join(lines)


def _key(name: str) -> str:
    return json.dumps(name)


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(name)} = {_value(entry)}" for name, entry in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(entry) for entry in value) + "]"
    return json.dumps(value)  # texts, numbers and booleans are spelled alike
