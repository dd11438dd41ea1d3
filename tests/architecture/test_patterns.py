"""Patterns mean the same on every Python we run on."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import gateway_auth

# Nothing public tells what a pattern is made of.
_constants, _parser = importlib.import_module("re._constants"), importlib.import_module("re._parser")


def compiled() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Every pattern a module holds, by the module's name."""
    for found in pkgutil.walk_packages(gateway_auth.__path__, "gateway_auth."):
        if found.name.endswith(("__main__", ".migrations.env")):
            continue
        for value in vars(importlib.import_module(found.name)).values():
            pattern = getattr(value, "__self__", value)  # some hold the method they use
            if isinstance(pattern, re.Pattern):
                yield found.name, pattern


def possessive_groups(parts: Any) -> Iterator[Any]:
    """Of a parsed pattern: what does not go back, and is more than one character long."""
    for kind, content in parts:
        if kind is _constants.ATOMIC_GROUP:
            yield content
        if kind is _constants.POSSESSIVE_REPEAT and not _is_one_character(content[2]):
            yield content
        for inner in content if isinstance(content, (list, tuple)) else (content,):
            for part in inner if isinstance(inner, list) else (inner,):
                if isinstance(part, _parser.SubPattern):
                    yield from possessive_groups(part)


def _is_one_character(parts: Any) -> bool:
    return len(parts) == 1 and parts[0][0] in (
        _constants.IN,
        _constants.LITERAL,
        _constants.NOT_LITERAL,
        _constants.ANY,
    )


def test_the_test_sees_them() -> None:
    for text in (r"(?:a+b)*+", r"(?>a+b)", r"(?!/(?:[a]++\.)++\Z)", r"x|(?:y(?:ab)?+)"):
        assert list(possessive_groups(_parser.parse(text))), text
    for text in (r"[ab]++(?:a++b)*", r".*+\.", r"[^)*+]++"):
        assert not list(possessive_groups(_parser.parse(text))), text


def test_no_pattern_has_a_possessive_group() -> None:
    """Before Python 3.11.5 it matches what it should not (CPython issue 106052): a path of dots was a plain one."""
    patterns = list(compiled())
    assert len(patterns) > 30
    found = [
        f"{name}: {pattern.pattern!r}"
        for name, pattern in patterns
        if list(
            possessive_groups(
                _parser.parse(
                    pattern.pattern,
                    pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags,
                )
            )
        )
    ]
    assert found == []
