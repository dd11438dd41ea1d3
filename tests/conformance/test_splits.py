"""Ambiguous requests against `gateway-auth serve`, whole and in two pieces: the upstream reads none, or clean ones."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator

import pytest

from tests.conformance.edges import Edge, serving
from tests.conformance.splits import Seen, by_address, cuts, send_all
from tests.conformance.test_raw_cases import judge_connection
from tests.conformance.vectors import Case, fill_bytes, shared, shared_folder
from tests.conformance.world import make_world

pytestmark = pytest.mark.slow

HOST = b"Host: llhttp.test\r\n"
FIRST_LINE = re.compile(rb"[^\r\n]*(?:\r\n|[\r\n])")


def llhttp_requests() -> list[Case]:
    """The requests that llhttp was tested with, in its strict mode."""
    folder = shared_folder()
    if folder is None:
        return []
    cases = [json.loads(line) for line in (folder / "llhttp" / "cases.jsonl").read_text("utf-8").splitlines()]
    return [case for case in cases if case["mode"].startswith("request") and not case["lenient"]]


@pytest.fixture(scope="module")
def open_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """The standalone proxy with one public route for everything: nothing but the wire can stop a request."""
    folder = tmp_path_factory.mktemp("open")
    world = make_world("main", folder)
    world.tables["routes"] = [{"id": "all", "path": "/{rest:path}", "access": "public"}]
    with serving(world, ("standalone",)) as edges:
        yield edges["standalone"]


@pytest.fixture(scope="module")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """The standalone proxy of the main world."""
    with serving(make_world("main", tmp_path_factory.mktemp("main")), ("standalone",)) as edges:
        yield edges["standalone"]


def with_host(raw: bytes) -> bytes:
    """With a Host behind the first line, without which nothing would be looked at any further."""
    line = FIRST_LINE.match(raw)
    if line is None or re.search(rb"(?i)[\r\n]host:", raw):
        return raw
    return line[0] + HOST + raw[line.end() :]


@pytest.mark.parametrize("kind", ["error", "other"] if shared_folder() else [])
def test_what_llhttp_refuses_arrives_nowhere_or_clean(open_edge: Edge, kind: str) -> None:
    cases = [case for case in llhttp_requests() if (case["llhttp"] == "error") is (kind == "error")]
    most = {}
    sent = []
    for number, case in enumerate(cases):
        raw = base64.b64decode(case["raw_b64"])
        name = f"{number}: {case['title']}"
        most[name] = max(1, case["messages_completed"])
        for variant in dict.fromkeys((raw, with_host(raw))):
            sent += cuts(name, variant)
    seen = send_all(open_edge.port, sent)
    found = by_address(open_edge.take_records())
    assert seen
    for each in seen:
        records = found.get(each.address, [])
        assert len(records) <= most[each.sent.name], (each.sent, records)
        judge_answers(each, len(records))
    judge_broken(open_edge)
    assert b"Traceback" not in open_edge.log()


@pytest.mark.parametrize("table", [pytest.param(shared("rawhttp"), id="rawhttp")] if shared_folder() else [])
def test_the_raw_cases_hold_in_two_pieces(standalone: Edge, table: tuple[Case, ...]) -> None:
    cases = {case["id"]: case for case in table}
    keys = standalone.world.keys
    sent = [
        cut for name, case in cases.items() for cut in cuts(name, fill_bytes(base64.b64decode(case["raw_b64"]), keys))
    ]
    seen = send_all(standalone.port, sent, patience_seconds=2.0)
    found = by_address(standalone.take_records())
    for each in seen:
        records = found.get(each.address, [])
        if is_waited_for(each):
            assert not records
            continue
        case, is_whole = cases[each.sent.name], each.sent.position == 0
        judge_connection(standalone, case, records, each.answers, each.is_over, is_whole=is_whole)
    judge_broken(standalone)


def is_waited_for(seen: Seen) -> bool:
    """Granian reads a head that came in part again when its end is there: until then it refuses nothing."""
    return not seen.answers and not seen.is_over and b"\r\n\r\n" not in seen.sent.raw


def judge_answers(seen: Seen, records: int) -> None:
    """As many good answers as requests went on at most, and every other one a refusal."""
    statuses = [answer.status for answer in seen.answers]
    assert statuses.count(200) <= records, (seen.sent, statuses)
    assert all(status == 200 or 400 <= status < 500 or status in (501, 505) for status in statuses), seen.sent


def judge_broken(edge: Edge) -> None:
    """A body that broke off when its head had gone on is no request; anything else that is none must not arrive."""
    assert [broken for broken in edge.take_broken() if not broken.startswith(b"broke off in a body")] == []
