"""What a server logs: one event, one line of JSON on stderr, which never blocks whoever serves.

It logs no request by itself, and takes out whatever looks like a key (security cases G01, G02).
"""

from __future__ import annotations

import json
import logging
import os
import select
import sys
from datetime import UTC, datetime

from gateway_auth.core.redaction import redacted

LEVELS = ("debug", "info", "warning", "error")
ATOMIC_BYTES = 4096
"""PIPE_BUF of Linux: a pipe that can be written takes so much without waiting, and whole."""

_DECISIONS = "gateway_auth.decisions"


class JsonLines(logging.Formatter):
    """A record as one line in ASCII: whatever somebody put into a name or path ends no line and drives no terminal."""

    def format(self, record: logging.LogRecord) -> str:
        limit = ATOMIC_BYTES
        while True:
            line = redacted(json.dumps(self._fields(record, limit)))
            if len(line) < ATOMIC_BYTES or limit < 64:
                return line
            limit //= 2

    def _fields(self, record: logging.LogRecord, limit: int) -> dict[str, object]:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, object] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name.removeprefix("_"),
        }
        message = record.getMessage()
        fields |= _decision(message) if record.name == _DECISIONS else {"message": message[:limit]}
        if record.exc_info:
            # The end of a traceback says most.
            fields["exception"] = self.formatException(record.exc_info)[-limit:]
        return fields


def _decision(message: str) -> dict[str, object]:
    """The fields of a decision, which the recorder spells as JSON; of its other lines, the text."""
    try:
        fields = json.loads(message)
    except ValueError:
        fields = message
    return fields if isinstance(fields, dict) else {"message": message}


class NeverBlocking(logging.Handler):
    """Writes to stderr while somebody reads it. Lines nobody can take are dropped and counted (security case G03)."""

    def __init__(self) -> None:
        super().__init__()
        self._dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line, or drop it."""
        try:
            if not _is_writable(sys.stderr.fileno()):
                self._dropped += 1
                return
            if self._dropped:
                told, self._dropped = self._dropped, 0
                _write(json.dumps({"level": "warning", "message": f"{told} log lines were dropped: nobody read them"}))
            _write(self.format(record))
        except (OSError, ValueError):
            # A full disk or a closed stream: there is nobody left to tell.
            self._dropped += 1


def _is_writable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))


def _write(line: str) -> None:
    os.write(sys.stderr.fileno(), f"{line}\n".encode("ascii", "backslashreplace"))


def log_settings(level: str) -> dict[str, object]:
    """For `logging.config.dictConfig`, in this process and in workers. No access log: it would hold whole URLs."""
    here = f"{__name__}."
    name = level.upper()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": f"{here}JsonLines"}},
        "handlers": {"stderr": {"()": f"{here}NeverBlocking", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "gateway_auth": {"level": name},
            "_granian": {"level": name},
            "granian.access": {"level": "CRITICAL"},
        },
    }
