"""The project's own decision tables: every case through every way in, and through the engine alone."""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet

from gateway_auth.core.decision import Allow, Reason
from tests.conformance.deciding import judge, named_keys, reason_of, steps
from tests.conformance.edges import EDGES, Edge
from tests.conformance.inside import Inside, scope_of
from tests.conformance.vectors import Case, own
from tests.conformance.wire import ask
from tests.conformance.world import World

pytestmark = pytest.mark.slow

REACHABLE = frozenset(Reason) - {
    Reason.DEPENDENCY_UNAVAILABLE, Reason.UPSTREAM_UNAVAILABLE, Reason.UPSTREAM_TIMEOUT,
}  # fmt: skip
"""What a request alone can bring about. The three others need something to be down."""


def cases(*, served: bool) -> list[ParameterSet]:
    """Every case with the name of its table; those of the engine alone are the only ones it does not share."""
    return [
        pytest.param(table, case, id=case["id"], marks=_marks(case))
        for table in own()
        for case in table["cases"]
        if (not case.get("engine_only") if served else _is_the_engines(case))
    ]


def _marks(case: Case) -> list[pytest.MarkDecorator]:
    return [pytest.mark.xfail(reason=case["open"], strict=True)] if "open" in case else []


def _is_the_engines(case: Case) -> bool:
    """Not body caps, which the middleware holds, nor forms of a target that servers take apart."""
    return all(words.get("engine", True) for words in case.get("requests", [case]))


def test_every_reason_a_request_can_bring_about_has_a_case() -> None:
    listed = [words for table in own() for case in table["cases"] for words in case.get("requests", [case])]
    assert {reason_of(words) for words in listed} - {None} == REACHABLE


def test_the_tables_name_each_case_once() -> None:
    names = [case["id"] for table in own() for case in table["cases"]]
    assert len(names) == len(set(names)) >= 80


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize(("table", "case"), cases(served=True))
def test_a_decision(request: pytest.FixtureRequest, table: Case, case: Case, name: str) -> None:
    edge: Edge = request.getfixturevalue(f"{table.get('world', 'main')}_edges")[name]
    edge.take_records(keeps_credentials=True)
    keys = named_keys(table["name"], edge.world.keys)
    for step in steps(case, keys):
        answer = ask(edge.port, step.raw, method=step.method, source=step.peer)
        records = edge.take_records(keeps_credentials=bool(step.words.get("keeps")))
        judge(edge, step, answer, records, keys)


@pytest.mark.parametrize(("table", "case"), cases(served=False))
def test_a_decision_of_the_engine(request: pytest.FixtureRequest, table: Case, case: Case) -> None:
    name = table.get("world", "main")
    engine: Inside = request.getfixturevalue(f"{name}_inside")
    world: World = request.getfixturevalue(f"{name}_world")
    for step in steps(case, named_keys(table["name"], world.keys)):
        size = step.words.get("body_size", 0)
        fields = [*step.fields, ("Content-Length", b"%d" % size)] if size else step.fields
        scope = scope_of(step.method, step.target, fields, step.peer, host=step.host)
        if step.words.get("websocket"):
            scope |= {"type": "websocket", "scheme": "ws"}
        decision = engine.decide(scope)
        reason = None if isinstance(decision, Allow) else decision.reason
        assert reason == reason_of(step.words)
        if "route" in step.words:
            assert decision.policy is not None
            assert decision.policy.id == step.words["route"]
        if "auth" in step.words and isinstance(decision, Allow):
            assert decision.principal.method == step.words["auth"]
