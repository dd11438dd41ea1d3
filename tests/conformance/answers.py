"""What is true of every answer of the gateway, whichever way in it was asked."""

from __future__ import annotations

import json

from gateway_auth.core.decision import REASONS, Reason
from tests.conformance.wire import Answer

MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}


def check_refusal(answer: Answer) -> Reason:
    """The reason of a refusal that is whole and in form."""
    problem = json.loads(answer.body)
    reason = Reason(problem["code"])
    assert answer.status == problem["status"] == REASONS[reason].status, answer
    assert problem.keys() - {"violated-policies"} == MEMBERS, answer
    assert answer.value("content-type") == "application/problem+json"
    assert answer.value("cache-control") == "no-store"
    assert answer.value("x-request-id") == problem["request_id"] != ""
    challenges = answer.values("www-authenticate")
    assert bool(challenges) == (
        answer.status == 401 or reason in (Reason.INSUFFICIENT_SCOPE, Reason.AMBIGUOUS_CREDENTIALS)
    )
    if challenges:
        assert challenges[0].startswith("Bearer realm=")
    waits = answer.value("retry-after")
    assert (waits is not None) == (answer.status in (429, 503))
    assert waits is None or int(waits) >= 1
    return reason


def check_pass(answer: Answer) -> None:
    """What passed came from behind, with our request id and nothing of theirs in its place."""
    assert answer.status == 200, answer
    assert answer.value("x-request-id")
    assert not answer.values("www-authenticate")
