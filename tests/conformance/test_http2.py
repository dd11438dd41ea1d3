"""The same cases over HTTP/2 and TLS, into the standalone gateway: one decision, whatever carries the request.

What is no HTTP/2 at all (a path with a blank, a field of the connection) the server refuses by resetting the stream.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance import deviations
from tests.conformance.addresses import checks, header_names, key_name, loopback_peer, translated
from tests.conformance.answers import check_refusal
from tests.conformance.deciding import judge, named_keys, steps
from tests.conformance.edges import START_SECONDS, Edge, command, free_port, fresh_address, process
from tests.conformance.http2 import Http2, Reset, http2_client, write_certificate
from tests.conformance.lenient import handlers
from tests.conformance.upstream import Upstream
from tests.conformance.vectors import Case, fill, own, shared
from tests.conformance.wire import Answer
from tests.conformance.world import World

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def client(certificate: tuple[Path, Path]) -> Iterator[Http2]:
    with http2_client(certificate[0]) as running:
        yield running


@pytest.fixture(scope="module")
def served(main_world: World, certificate: tuple[Path, Path], client: Http2) -> Iterator[Edge]:
    """The standalone gateway with TLS, in front of a recording upstream."""
    with Upstream() as upstream:
        port = free_port()
        config = main_world.write(f"http2-{port}", port, free_port(), upstream.port)
        text = config.read_text("utf-8")
        tls = f'[gateway.tls]\ncertificate = "{certificate[0]}"\nkey = "file:{certificate[1]}"\n'
        config.write_text(text.replace("[store]", f"{tls}\n[store]"), "utf-8")
        log = main_world.folder / f"http2-{port}.log"
        with process(command("standalone", port, config), dict(os.environ), log) as started:
            edge = Edge("standalone", main_world, port, log, upstream)
            deadline = time.monotonic() + START_SECONDS
            while not _answers(client, port):
                assert started.poll() is None, log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield edge


def _answers(client: Http2, port: int) -> bool:
    try:
        return client.ask(port, "GET", "/not/routed", []).status == 403
    except Reset:
        return False


@pytest.fixture
def edge(served: Edge) -> Edge:
    """With nothing recorded yet."""
    served.take_records(keeps_credentials=True)
    return served


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in shared("path")])
def test_a_path(edge: Edge, client: Http2, case: Case) -> None:
    fields = [(name, value.encode()) for name, value in case["headers"]]
    if case["credential"] == "read":
        fields.append(("x-api-key", edge.world.keys["KEY"].encode()))
    status = _status(client, edge.port, case["method"], case["target"].encode("latin-1", "replace"), fields)
    records = edge.take_records()
    assert case["forbidden_upstream_handler"] not in set().union(*map(handlers, records)), records
    if case["id"] in deviations.FRAGMENT:
        assert [record.target for record in records] == [deviations.FRAGMENT[case["id"]]]
    else:
        assert status in case["allowed_status"], records


def _status(client: Http2, port: int, method: str, target: bytes, fields: list[tuple[str, bytes]]) -> int:
    """A stream that is reset is a request refused as malformed."""
    try:
        return client.ask(port, method, target, fields, source=fresh_address()).status
    except Reset:
        return 400


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in shared("credential")])
def test_a_credential(edge: Edge, client: Http2, case: Case) -> None:
    keys = edge.world.keys
    fields = [(name, fill(value, keys)) for name, value in case["headers"]]
    query = fill(case["query"], keys)
    target = b"/api/items" + (b"?" + query if query else b"")
    try:
        answer = client.ask(edge.port, "GET", target, fields, source=fresh_address())
    except Reset:
        answer = Answer(400, (), b"")
    records = edge.take_records()
    assert answer.status in case["status"], answer
    assert len(records) == (answer.status == 200)
    if answer.value("content-type") == "application/problem+json":
        check_refusal(answer)
    if case.get("www_authenticate"):
        assert answer.values("www-authenticate")
    if "log_must_not_contain" in case:
        assert fill(case["log_must_not_contain"], keys) not in edge.log()
    if "upstream_must_not_see" in case:
        unwanted = case["upstream_must_not_see"].encode()
        assert not [value for record in records for _, value in record.fields if unwanted in value]


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case["id"])
        for case in shared("ip")
        if "x-forwarded-for" in header_names(case) and loopback_peer(case["peer"]) is not None
    ],
)
def test_a_client_address(edge: Edge, client: Http2, case: Case) -> None:
    for check in checks(case, "x-forwarded-for", is_served=True):
        key = edge.world.keys[key_name(check.networks)]
        fields = [(field, translated(value).encode()) for field, value in case["headers"]]
        fields += [("x-api-key", key.encode()), ("x-forwarded-proto", b"https")]
        answer = client.ask(edge.port, "GET", "/client", fields, source=str(loopback_peer(case["peer"])))
        told = [record.values("x-forwarded-for") for record in edge.take_records()]
        assert answer.status in check.statuses, check
        assert told == ([[check.client]] if answer.status == 200 else [])


NOT_HTTP2 = {
    "identity-12": "a Connection field",
    "body-06": "a length that is not kept",
    "body-07": "a length that is no number",
    "body-08": "a length twice",
    "malformed-32": "no host",
    "malformed-33": "two hosts",
    "malformed-38": "a target in absolute form",
    "malformed-39": "a target in absolute form",
    "malformed-40": "a target in absolute form",
    "malformed-42": "a target without a slash",
    "restrictions-27": "a Referer twice, which the client does not send",
}
"""What no client can say in HTTP/2, or ends the stream: `test_listening_http2` sends some of it as frames."""

TABLES = [
    pytest.param(table["name"], case, id=case["id"])
    for table in own()
    if table.get("world", "main") == "main"
    for case in table["cases"]
    if not case.get("engine_only") and case["id"] not in NOT_HTTP2
]


@pytest.mark.parametrize(("table", "case"), TABLES)
def test_a_decision(edge: Edge, client: Http2, table: str, case: Case) -> None:
    keys = named_keys(table, edge.world.keys)
    for step in steps(case, keys):
        size = step.words.get("body_size", 0)
        length = [("content-length", b"%d" % size)] if size and not step.words.get("chunked") else []
        answer = client.ask(
            edge.port,
            step.method,
            step.target,
            [*step.fields, *length],
            body=b"b" * size,
            authority=step.host.decode() if step.host is not None else None,
            source=step.peer,
        )
        judge(
            edge, step, _as_over_http(answer), edge.take_records(keeps_credentials=bool(step.words.get("keeps"))), keys
        )


def _as_over_http(answer: Answer) -> Answer:
    """The tables' challenges name the metadata of plain HTTP; here the same stands under https."""
    fields = ((name, value.replace('="https://', '="http://')) for name, value in answer.fields)
    return Answer(answer.status, tuple(fields), answer.body)
