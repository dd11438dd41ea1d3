"""Path, credential and address cases through the real proxies of deploy/, each asking a gateway of its own.

A proxy may refuse by itself what it cannot read, with a 4xx. What it lets through is what was judged.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance import deviations
from tests.conformance.addresses import Check, checks, header_names, key_name, loopback_peer
from tests.conformance.answers import check_refusal
from tests.conformance.asking import asked
from tests.conformance.edges import Edge, fresh_address
from tests.conformance.lenient import handlers
from tests.conformance.record import Record
from tests.conformance.vectors import Case, fill, shared
from tests.conformance.wire import Answer, ask, request
from tests.conformance.world import World
from tests.deploy import proxies

pytestmark = pytest.mark.slow

PATHS = [pytest.param(case, id=case["id"]) for case in shared("path")]
CREDENTIALS = [pytest.param(case, id=case["id"]) for case in shared("credential")]
ADDRESSES = [
    pytest.param(case, id=case["id"])
    for case in shared("ip")
    if "x-forwarded-for" in header_names(case) and loopback_peer(case["peer"]) is not None
]


@pytest.fixture(scope="module", params=proxies.available())
def asking(request: pytest.FixtureRequest, main_world: World) -> Iterator[Edge]:
    """One real proxy after the other."""
    with asked(main_world, request.param) as edge:
        yield edge


def send(edge: Edge, raw: bytes, method: str = "GET", source: str | None = None) -> tuple[Answer, list[Record]]:
    """The answer, and what came out behind; whatever came out is checked for what must always be true."""
    edge.take_records()
    answer = ask(edge.port, raw, method=method, source=source or fresh_address())
    return answer, edge.take_records()


def refused_by_itself(answer: Answer, records: list[Record]) -> bool:
    """Whether the proxy never asked: what it cannot read it may refuse as it likes."""
    is_ours = answer.value("content-type") == "application/problem+json"
    return 400 <= answer.status < 500 and not is_ours and not records


@pytest.mark.parametrize("case", PATHS)
def test_a_path(asking: Edge, case: Case) -> None:
    fields = [(name, value.encode()) for name, value in case["headers"]]
    if case["credential"] == "read":
        fields.append(("X-API-Key", asking.world.keys["KEY"].encode()))
    answer, records = send(asking, request(case["method"], case["target"], fields), case["method"])
    assert case["forbidden_upstream_handler"] not in set().union(*map(handlers, records)), records
    assert len(records) == (answer.status == 200)
    if case["id"] not in deviations.FRAGMENT and not refused_by_itself(answer, records):
        assert answer.status in case["allowed_status"], (answer, records)


@pytest.mark.parametrize("case", CREDENTIALS)
def test_a_credential(asking: Edge, case: Case) -> None:
    keys = asking.world.keys
    fields = [(name, fill(value, keys)) for name, value in case["headers"]]
    query = fill(case["query"], keys)
    answer, records = send(asking, request("GET", b"/api/items" + (b"?" + query if query else b""), fields))
    assert len(records) == (answer.status == 200)
    if refused_by_itself(answer, records):
        return
    assert answer.status in _statuses(asking, case), answer
    if answer.status != 200:
        check_refusal(answer)
    challenges = answer.values("www-authenticate")
    if case.get("www_authenticate"):
        assert challenges
    if case.get("no_error_code"):
        assert not [challenge for challenge in challenges if "error" in challenge]
    if "upstream_must_not_see" in case:
        unwanted = case["upstream_must_not_see"].encode()
        assert not [value for record in records for _, value in record.fields if unwanted in value]


def _statuses(edge: Edge, case: Case) -> list[int]:
    """Envoy asks with two lines of a header joined into one: refused too, as a credential that is none."""
    statuses = list(case["status"])
    return [400, 401] if edge.name == "envoy" and statuses == [400] else statuses


@pytest.mark.parametrize("case", ADDRESSES)
def test_a_client_is_who_connects_to_the_proxy(asking: Edge, case: Case) -> None:
    peer = str(loopback_peer(case["peer"]))
    named = {check for check in checks(case, "x-forwarded-for", is_served=True) if check.statuses == (200,)}
    for check in sorted(named):
        answer, records = send(asking, _client_request(asking, case, check), source=peer)
        is_peer = check.client == peer and check.networks in ((), (peer,))
        assert answer.status == (200 if is_peer or not check.networks else 403), check
        assert [record.values("x-forwarded-for") for record in records] == [[peer]] * (answer.status == 200)


def _client_request(edge: Edge, case: Case, check: Check) -> bytes:
    fields = [(field, value.encode()) for field, value in case["headers"]]
    return request("GET", "/client", [*fields, ("X-API-Key", edge.world.keys[key_name(check.networks)].encode())])
