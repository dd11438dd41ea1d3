"""What those who watch over a gateway see: its probes, its metrics, its log."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

PATIENCE_SECONDS = 60.0

Labels = tuple[tuple[str, str], ...]


def fetch(port: int, path: str, method: str = "GET") -> tuple[int, bytes]:
    """Status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def told(port: int, path: str) -> tuple[int, Any]:
    """Status, and the JSON of the body."""
    status, body = fetch(port, path)
    return status, json.loads(body)


def metrics(port: int) -> dict[tuple[str, Labels], float]:
    """Every sample of the status listener."""
    status, body = fetch(port, "/metrics")
    assert status == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def metric(port: int, name: str, **labels: str) -> float | None:
    """One sample of the status listener."""
    return metrics(port).get((f"gateway_auth_{name}", tuple(sorted(labels.items()))))


def eventually(is_so: Callable[[], bool]) -> None:
    """Until it is so; only a failure takes the whole patience."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def lines_with(log: Path, words: str) -> list[dict[str, Any]]:
    """Lines of a log whose message has these words."""
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    return [line for line in lines if words in line.get("message", "")]
