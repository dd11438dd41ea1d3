"""Which database a store's URL means. It opens nothing."""

from __future__ import annotations

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from gateway_auth.adapters.sql.driver import Driver
from gateway_auth.adapters.sql.sqlite import SqliteDriver
from gateway_auth.errors import ConfigError, Problem

_SQLITE = "sqlite:///"


def driver_for(url: str) -> Driver:
    """The driver of `sqlite:///file` or `postgresql://user:password@host/database`. Raises ConfigError."""
    if url.startswith(_SQLITE):
        return _sqlite(url.removeprefix(_SQLITE))
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        raise _bad_url("is not a store URL") from None
    name = parsed.drivername.partition("+")[0]
    if name == "sqlite":
        raise _bad_url("names no file")
    if name in ("postgresql", "postgres"):
        # Here, because its driver is an extra that need not be installed.
        from gateway_auth.adapters.sql.postgresql import PostgresqlDriver

        return PostgresqlDriver(parsed)
    raise _bad_url(f'has the unknown scheme "{name[:32]}"')


def _sqlite(path: str) -> Driver:
    """The path is taken as it is: "%", "?" and "#" may be in the name of a directory, and mean more to make_url."""
    if not path or path == ":memory:":
        raise _bad_url("names no file")
    return SqliteDriver(path)


def _bad_url(what: str) -> ConfigError:
    # The URL itself stays out of the message: it may carry a password.
    advice = 'write "sqlite:///gateway.db" or "postgresql://user:password@host/database"'
    return ConfigError([Problem("store.url", f"{what}; {advice}")])
