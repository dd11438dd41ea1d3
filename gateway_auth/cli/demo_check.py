"""Takes the tour over HTTP and says what came back. It judges by status and code, like any client."""

from __future__ import annotations

import http.client
import json

from msgspec import Struct

from gateway_auth.demo.tour import TourStep

TIMEOUT_SECONDS = 10.0


class Taken(Struct, frozen=True):
    """A step, and what came back."""

    step: TourStep
    got: str

    @property
    def is_expected(self) -> bool:
        """Whether it was what the tour promises."""
        return self.got == self.step.expected


def take_tour(steps: list[TourStep], port: int) -> list[Taken]:
    """Send every step, one after the other."""
    return [Taken(step, _ask(step, port)) for step in steps]


def _ask(step: TourStep, port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(step.method, step.path, body=step.body, headers=dict(step.headers))
        response = connection.getresponse()
        body = response.read()
        return f"{response.status} {_code(response.getheader('content-type', ''), body)}".rstrip()
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {type(error).__name__}: {error}"
    finally:
        connection.close()


def _code(content_type: str, body: bytes) -> str:
    """The code of a problem+json answer; nothing of any other."""
    if content_type != "application/problem+json":
        return ""
    try:
        problem = json.loads(body)
    except ValueError:
        return "unreadable"
    return str(problem.get("code", "")) if isinstance(problem, dict) else "unreadable"
