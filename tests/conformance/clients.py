"""The shared address cases on edges that are served: from loopback peers, as `addresses` translates them."""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet

from tests.conformance.addresses import checks, header_names, key_name, loopback_peer, translated
from tests.conformance.answers import check_refusal
from tests.conformance.asking import ASKED
from tests.conformance.edges import EDGES, Edge
from tests.conformance.record import Record
from tests.conformance.vectors import Case, shared
from tests.conformance.wire import ask, request


def served(header: str) -> list[ParameterSet]:
    """Every case that needs this header configured and has a peer a socket can be, on every edge."""
    return [
        pytest.param(case, name, id=f"{name}-{case['id']}")
        for name in (*EDGES, ASKED)
        for case in shared("ip")
        if header in header_names(case) and loopback_peer(case["peer"]) is not None
    ]


def check_served(edge: Edge, case: Case, header: str) -> None:
    """Ask an edge from the case's peer with every key, and compare the decision and the client told behind."""
    edge.take_records()
    for check in checks(case, header, is_served=True):
        key = edge.world.keys[key_name(check.networks)]
        fields = [(field, translated(value).encode()) for field, value in case["headers"]]
        fields += [("X-API-Key", key.encode()), ("X-Forwarded-Proto", b"https")]
        answer = ask(edge.port, request("GET", "/client", fields), source=str(loopback_peer(case["peer"])))
        records = edge.take_records()
        assert answer.status in check.statuses, check
        assert len(records) == (answer.status == 200)
        if edge.name != ASKED:
            # There the proxy says who the client is; that the gateway read it so is in the decision.
            assert [client_of(edge, record) for record in records] == [check.client] * len(records)
        if answer.status == 403:
            assert check_refusal(answer) == "network_not_allowed"


def client_of(edge: Edge, record: Record) -> str | None:
    """Whom the protected side was told a request is from."""
    if not edge.is_proxy:
        return record.client
    (client,) = record.values("x-forwarded-for")
    return client
