"""Role names and the scopes they stand for. A role is expanded when a principal is built, never later."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")


def parse_role(text: str) -> str:
    """The role name itself, when it is one. Raises ValueError."""
    if not _NAME.fullmatch(text):
        raise ValueError(f'"{text[:64]}" is not a role name: letters, digits and "_.:-", at most 64')
    return text


def expand_roles(
    scopes: Iterable[str], roles: Iterable[str], scopes_of: Mapping[str, tuple[str, ...]]
) -> frozenset[str]:
    """`scopes` and what the roles stand for. A role the configuration does not know adds nothing."""
    expanded = set(scopes)
    for role in roles:
        expanded.update(scopes_of.get(role, ()))
    return frozenset(expanded)
