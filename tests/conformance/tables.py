"""The project's decision tables as parameters of tests, and one case of them on an edge or through the engine alone."""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet

from gateway_auth.core.decision import Allow
from tests.conformance.asking import ASKED
from tests.conformance.deciding import judge, named_keys, reason_of, steps
from tests.conformance.edges import EDGES, Edge
from tests.conformance.inside import Inside, scope_of
from tests.conformance.vectors import Case, own
from tests.conformance.wire import ask
from tests.conformance.world import World

WAYS = (*EDGES, ASKED)


def served(world: str) -> list[ParameterSet]:
    """Every case of a world on every edge, with the name of its table."""
    return [
        pytest.param(table["name"], case, name, id=f"{name}-{case['id']}", marks=_marks(case, name))
        for name in WAYS
        for table in _tables(world)
        for case in table["cases"]
        if not case.get("engine_only") and not (name == ASKED and _is_about_the_body(case))
    ]


def engines(world: str) -> list[ParameterSet]:
    """Every case of a world that the engine alone can answer."""
    return [
        pytest.param(table["name"], case, id=case["id"], marks=_marks(case, "engine"))
        for table in _tables(world)
        for case in table["cases"]
        if _is_the_engines(case)
    ]


def _tables(world: str) -> list[Case]:
    return [table for table in own() if table.get("world", "main") == world]


def _is_about_the_body(case: Case) -> bool:
    """A question does not tell of it: the proxy that asks holds its own cap."""
    return any(words.get("code") == "body_too_large" for words in case.get("requests", [case]))


def _marks(case: Case, name: str) -> list[pytest.MarkDecorator]:
    """`open` says what is known to be wrong; `open_on`, where, if not everywhere."""
    is_open = "open" in case and name in case.get("open_on", [name])
    return [pytest.mark.xfail(reason=case["open"], strict=True)] if is_open else []


def _is_the_engines(case: Case) -> bool:
    """Not body caps, which the middleware holds, nor forms of a target that servers take apart."""
    return all(words.get("engine", True) for words in case.get("requests", [case]))


def check_served(edge: Edge, table: str, case: Case) -> None:
    """Send a case's requests to an edge, one after the other, and judge each."""
    edge.take_records(keeps_credentials=True)
    keys = named_keys(table, edge.world.keys)
    for step in steps(case, keys):
        answer = ask(edge.port, step.raw, method=step.method, source=step.peer)
        records = edge.take_records(keeps_credentials=bool(step.words.get("keeps")))
        judge(edge, step, answer, records, keys)


def check_decided(engine: Inside, world: World, table: str, case: Case) -> None:
    """Let the engine decide a case's requests, and compare reason, route and method of proof."""
    for step in steps(case, named_keys(table, world.keys)):
        size = step.words.get("body_size", 0)
        fields = [*step.fields, ("Content-Length", b"%d" % size)] if size else step.fields
        scope = scope_of(step.method, step.target, fields, step.peer, host=step.host)
        if step.words.get("websocket"):
            scope.update(type="websocket", scheme="ws")
        decision = engine.decide(scope)
        reason = None if isinstance(decision, Allow) else decision.reason
        assert reason == reason_of(step.words)
        if "route" in step.words:
            assert decision.policy is not None
            assert decision.policy.id == step.words["route"]
        if "auth" in step.words and isinstance(decision, Allow):
            assert decision.principal.method == step.words["auth"]
