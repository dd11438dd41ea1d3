"""What can go wrong with Redis, as a closed set of kinds. Everything the client library raises becomes one, here.

A server's own words go no further: an old server repeats the arguments of a command it does not know, and one of
them is the password.
"""

from __future__ import annotations

import re
import ssl
from errno import ECONNREFUSED, EHOSTDOWN, EHOSTUNREACH, ENETUNREACH
from socket import gaierror
from typing import Literal

from redis import exceptions as foreign

from gateway_auth.errors import RedisUnavailable

FailureKind = Literal[
    "refused", "timeout", "busy", "reset", "resolve", "tls", "garbage", "open", "closed",
    "loading", "masterdown", "clusterdown", "noauth",
    "readonly", "oom", "misconf", "moved", "noperm", "noscript", "busyscript", "error",
]  # fmt: skip

WORDS: dict[str, str] = {
    "refused": "refuses connections",
    "timeout": "did not answer in time",
    "busy": "has no free connection: all are waiting for answers",
    "reset": "closed the connection",
    "resolve": "has a host name that cannot be resolved",
    "tls": "could not be spoken to over TLS; check its certificate and the address",
    "garbage": "answered what is not its protocol",
    "open": "failed a moment ago and is not asked",
    "closed": "is no longer used: the connection was closed",
    "loading": "is loading its data",
    "masterdown": "is a replica without its master",
    "clusterdown": "is a cluster that does not serve",
    "noauth": "did not accept the user and password",
    "readonly": "is a read-only replica",
    "oom": "is out of memory; raise maxmemory",
    "misconf": "does not write: it cannot save its data",
    "moved": "is a cluster; write redis+cluster:// in redis.url",
    "noperm": "does not permit this command to the user",
    "noscript": "does not know the script",
    "busyscript": "is busy with a script",
    "error": "answered with an error",
}

BREAKING = frozenset[str](
    (
        "refused", "timeout", "reset", "resolve", "tls", "garbage",
        "loading", "masterdown", "clusterdown", "noauth",
    )
)  # fmt: skip
"""Kinds after which the next command would fail too. The others are answers, in time, about one command; and "busy",
which tells of many callers here: if the server is slow, those who hold its connections say so."""

_BY_CLASS: tuple[tuple[type[Exception], FailureKind], ...] = (
    (foreign.TimeoutError, "timeout"),
    (TimeoutError, "timeout"),
    (foreign.BusyLoadingError, "loading"),
    (foreign.AuthenticationError, "noauth"),
    (foreign.AuthenticationWrongNumberOfArgsError, "noauth"),
    (foreign.MasterDownError, "masterdown"),
    (foreign.ClusterDownError, "clusterdown"),
    (foreign.TryAgainError, "clusterdown"),
    (foreign.AskError, "moved"),  # MOVED is a kind of ASK there
    (foreign.ReadOnlyError, "readonly"),
    (foreign.OutOfMemoryError, "oom"),
    (foreign.NoPermissionError, "noperm"),
    (foreign.NoScriptError, "noscript"),
    (foreign.InvalidResponse, "garbage"),
)
_BY_CODE: dict[str, FailureKind] = {"MISCONF": "misconf", "BUSY": "busyscript", "NOREPLICAS": "readonly"}
_CODE = re.compile(r"[A-Z]{2,20}(?= |$)")
_REFUSING = frozenset((ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN))


class Redirected(RedisUnavailable):
    """A cluster's node says that another has the slot: `MOVED` for good, `ASK` for this once."""

    def __init__(self, slot: int, host: str, port: int, *, is_once: bool) -> None:
        super().__init__(f"Redis {WORDS['moved']}", "moved")
        self.slot = slot
        self.host = host
        self.port = port
        self.is_once = is_once


def unavailable(kind: FailureKind) -> RedisUnavailable:
    """The exception of a kind, in our words."""
    return RedisUnavailable(f"Redis {WORDS[kind]}", kind)


def translate(error: Exception) -> RedisUnavailable:
    """The exception to raise, `from None`, instead of whatever the library, the parser or the system raised."""
    if isinstance(error, foreign.AskError):
        is_once = not isinstance(error, foreign.MovedError)
        return Redirected(int(error.slot_id), str(error.host), int(error.port), is_once=is_once)
    for known, kind in _BY_CLASS:
        if isinstance(error, known):
            return unavailable(kind)
    if isinstance(error, foreign.ResponseError):
        return _answered(str(error))
    if isinstance(error, OSError | foreign.ConnectionError):
        return unavailable(_of_transport(error))
    # A parser fed with garbage raises what it likes: UnicodeDecodeError, ValueError, MemoryError.
    return unavailable("garbage")


def _answered(text: str) -> RedisUnavailable:
    match = _CODE.match(text)
    code = match.group() if match else "?"
    kind = _BY_CODE.get(code)
    return unavailable(kind) if kind is not None else RedisUnavailable(f"Redis {WORDS['error']} ({code})")


def _of_transport(error: BaseException) -> FailureKind:
    """By what the library's exception was raised from."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "tls"
        if isinstance(cause, gaierror):
            return "resolve"
        if isinstance(cause, OSError):
            # Several addresses of one name failed differently: asyncio tells it in the text alone.
            return "refused" if cause.errno in _REFUSING or cause.errno is None else "reset"
        cause = cause.__cause__ or cause.__context__
    return "reset"
