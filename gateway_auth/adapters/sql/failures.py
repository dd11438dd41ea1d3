"""Where every foreign exception of the store becomes one of ours; the words come from the driver."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway_auth.errors import StoreUnavailable

Explain = Callable[[BaseException], str]

# aiosqlite answers ValueError for a connection that is closed; MsgspecError: a row nobody here wrote.
_FOREIGN = (SQLAlchemyError, sqlite3.Error, OSError, TimeoutError, ValueError, msgspec.MsgspecError)


@contextmanager
def translated(explain: Explain) -> Iterator[None]:
    """Raises StoreUnavailable, in the words of `explain`, for whatever a driver raises inside."""
    try:
        yield
    except _FOREIGN as error:
        raise StoreUnavailable(one_line(explain(error))) from error


def driver_error(error: BaseException) -> BaseException:
    """What the driver raised, where SQLAlchemy wrapped it."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig
    return error


def explain_common(error: BaseException) -> str | None:
    """What is said alike for every database, after the store's name; None where the database knows more."""
    if isinstance(error, PoolTimeout):
        return "is busy: no connection became free in time; try again"
    if isinstance(error, msgspec.MsgspecError):
        return "holds a record this program cannot read; restore it from a backup"
    return None


def one_line(text: str) -> str:
    """`text` without line breaks and control characters: it ends on a terminal or in a log."""
    return " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
