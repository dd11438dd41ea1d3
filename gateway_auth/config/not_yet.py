"""What the configuration's language has and this version cannot do. Present means refused, never ignored.

A version that learns one of these deletes its lines here; nothing else knows of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway_auth.config.examine import Examined, Piece
from gateway_auth.config.problems import problem
from gateway_auth.config.schema_routes import PlanTable, RouteTable
from gateway_auth.config.shape import Path
from gateway_auth.errors import Problem

UNSUPPORTED_CHOICES = frozenset(("leased",))
"""Words of the schema that the reference marks."""
LEASED = 'mode = "leased" is not supported by this version yet; write mode = "exact" or leave it out'


def find_unsupported(examined: Examined) -> list[Problem]:
    """A problem for everything present that this version cannot do."""
    return [problem(path, LEASED) for path in _leased(examined)]


def _leased(examined: Examined) -> Iterator[Path]:
    pieces: list[Piece[RouteTable] | Piece[PlanTable]] = [*examined.routes, *examined.plans.values()]
    for piece in pieces:
        table = piece.table
        for position, limit in enumerate(table.limits if table is not None else ()):
            if limit.mode == "leased":
                yield (*piece.path, "limits", position, "mode")
