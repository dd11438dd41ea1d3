"""The log of a server: one event is one line of JSON, no key is in it, and nobody waits for it."""

from __future__ import annotations

import json
import logging
import os
import sys

import pytest

from gateway_auth.core.redaction import redacted
from gateway_auth.server.logs import ATOMIC_BYTES, JsonLines, NeverBlocking

KEY = "gwk_live_abcdefghijkl_" + "S" * 38


def record(message: str, name: str = "gateway_auth", exc_info: object = None) -> logging.LogRecord:
    info = exc_info if isinstance(exc_info, tuple) else None
    return logging.LogRecord(name, logging.WARNING, __file__, 1, message, None, info)


@pytest.mark.parametrize(
    "message", ["a\nb", "a\r\nb", "\x1b[31mred", "a\u2028b", "\u202egnp.exe", "\x00", '"}{"level": "info"', "é\ud800"]
)
def test_whatever_a_message_holds_is_one_inert_line(message: str) -> None:
    line = JsonLines().format(record(message))
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == message


def test_a_line_says_when_how_bad_and_who() -> None:
    line = json.loads(JsonLines().format(record("x", "_granian")))
    assert line["level"] == "warning"
    assert line["logger"] == "granian"
    assert line["time"].endswith("Z")


def test_a_decision_is_fields_and_cannot_pretend_to_be_another_line() -> None:
    message = json.dumps({"event": "refused", "reason": "rate_limited"})
    line = json.loads(JsonLines().format(record(message, "gateway_auth.decisions")))
    assert (line["event"], line["reason"]) == ("refused", "rate_limited")
    assert json.loads(JsonLines().format(record(message)))["message"] == message


def test_a_key_in_a_message_or_traceback_is_taken_out() -> None:
    try:
        raise ValueError(KEY)
    except ValueError:
        line = JsonLines().format(record(f"key {KEY}", exc_info=sys.exc_info()))
    assert "S" * 8 not in line
    assert line.count("gwk_live_abcdefghijkl_[redacted]") == 2


def test_redaction_keeps_the_id_and_everything_else() -> None:
    assert redacted(f"a {KEY} b") == "a gwk_live_abcdefghijkl_[redacted] b"
    assert redacted("gwk_live_abcdefghijkl_[redacted]") == "gwk_live_abcdefghijkl_[redacted]"


def test_a_long_line_is_cut_to_what_a_pipe_takes_at_once() -> None:
    for message in ("x" * 100_000, "\x00" * 100_000):
        line = JsonLines().format(record(message))
        assert len(line) < ATOMIC_BYTES
        json.loads(line)


class Stderr:
    """Stands for stderr over a descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def fileno(self) -> int:
        return self.descriptor


def test_a_pipe_nobody_reads_blocks_nothing_and_what_was_dropped_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    monkeypatch.setattr(sys, "stderr", Stderr(writer))
    handler = NeverBlocking()
    handler.setFormatter(JsonLines())
    for number in range(2000):
        handler.emit(record(f"{number} " + "x" * 500))
    taken = os.read(reader, 1 << 20).decode()
    assert [json.loads(line)["message"].split()[0] for line in taken.splitlines()[:3]] == ["0", "1", "2"]
    handler.emit(record("later"))
    dropped, later = os.read(reader, 1 << 20).decode().splitlines()
    assert json.loads(dropped)["message"].endswith("log lines were dropped: nobody read them")
    assert json.loads(later)["message"] == "later"
    os.close(reader)
    handler.emit(record("to nobody"))
    os.close(writer)
    handler.emit(record("to nothing"))
