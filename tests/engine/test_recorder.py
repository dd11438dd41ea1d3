"""What is told of decisions: counted exactly, logged in bounds, one line each, and never a secret."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway_auth.core.decision import Allow, Deny, Reason
from gateway_auth.core.limits import LimitOutcome
from gateway_auth.core.path import canonical_path
from gateway_auth.core.policy import Policy
from gateway_auth.core.principal import ANONYMOUS, build_principal
from gateway_auth.engine.recorder import MAX_LINES_PER_SECOND, MAX_PATH, Recorder
from tests.fakes import CLIENT, KEYS, FakeClock, a_key, request

LOGGER = "gateway_auth.decisions"
POLICY = Policy(id="orders", path="/orders")
ALICE = build_principal(subject="alice", method="api_key", scopes=frozenset(), roles=frozenset(), key_id="K1")
DENIAL = Deny(Reason.INSUFFICIENT_SCOPE, POLICY, ALICE)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, LOGGER)
    return caplog


def lines(log: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The events that were logged, each one line of JSON in ASCII."""
    events = []
    for record in log.records:
        if record.levelno == logging.INFO:
            message = record.getMessage()
            assert message.isascii()
            assert message.isprintable()
            events.append(json.loads(message))
    return events


def test_a_refusal_is_one_line(log: pytest.LogCaptureFixture) -> None:
    Recorder(KEYS, FakeClock()).record(DENIAL, request(path="/orders"), "req-1", "client-1")
    assert lines(log) == [
        {
            "event": "refused",
            "reason": "insufficient_scope",
            "route": "orders",
            "key_id": "K1",
            "request_id": "req-1",
            "client_request_id": "client-1",
            "method": "GET",
            "path": "/orders",
            "client": CLIENT,
        }
    ]


def test_a_request_that_could_not_be_read_is_logged_without_it(log: pytest.LogCaptureFixture) -> None:
    Recorder(KEYS, FakeClock()).record(Deny(Reason.MALFORMED_REQUEST), None, "req-1", "")
    assert lines(log) == [
        {"event": "refused", "reason": "malformed_request", "route": None, "key_id": None, "request_id": "req-1"}
    ]


def test_a_request_without_address_has_none(log: pytest.LogCaptureFixture) -> None:
    Recorder(KEYS, FakeClock()).record(DENIAL, request(client=None), "req-1", "")
    assert lines(log)[0]["client"] is None


def test_what_shadow_let_pass_is_logged_and_counted_apart(log: pytest.LogCaptureFixture) -> None:
    recorder = Recorder(KEYS, FakeClock())
    recorder.record(Allow(POLICY, ALICE, shadowed=Reason.RATE_LIMITED), request(), "req-1", "")
    assert [(line["event"], line["reason"]) for line in lines(log)] == [("shadowed", "rate_limited")]
    assert recorder.shadowed == {("orders", Reason.RATE_LIMITED): 1}
    assert recorder.refused == {}


def test_what_passed_is_not_logged(log: pytest.LogCaptureFixture) -> None:
    recorder = Recorder(KEYS, FakeClock())
    recorder.record(Allow(POLICY, ANONYMOUS), request(), "req-1", "")
    assert log.records == []
    assert recorder.refused == recorder.shadowed == {}


def test_refusals_are_counted_exactly_by_route_and_reason() -> None:
    recorder = Recorder(KEYS, FakeClock())
    for _ in range(1000):
        recorder.record(DENIAL, request(), "req-1", "")
    recorder.record(Deny(Reason.NO_MATCHING_ROUTE), request(), "req-1", "")
    assert recorder.refused == {("orders", Reason.INSUFFICIENT_SCOPE): 1000, ("", Reason.NO_MATCHING_ROUTE): 1}


def test_lines_are_capped_per_second_and_what_was_left_out_is_told(log: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    recorder = Recorder(KEYS, clock)
    for _ in range(1000):
        recorder.record(DENIAL, request(), "req-1", "")
    assert len(log.records) == MAX_LINES_PER_SECOND
    clock.advance(1.0)
    recorder.record(DENIAL, request(), "req-2", "")
    assert f"{1000 - MAX_LINES_PER_SECOND} more refusals" in log.text
    assert lines(log)[-1]["request_id"] == "req-2"
    clock.advance(1.0)
    recorder.record(DENIAL, request(), "req-3", "")
    assert len(log.records) == MAX_LINES_PER_SECOND + 3


def test_where_nobody_listens_nothing_is_written(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, LOGGER)
    recorder = Recorder(KEYS, FakeClock())
    recorder.record(DENIAL, request(), "req-1", "")
    assert caplog.records == []
    assert recorder.refused[("orders", Reason.INSUFFICIENT_SCOPE)] == 1


# -- secrets -------------------------------------------------------------------------------------------------------

KEY = a_key()
SECRET = KEY.text[KEYS.id_end + 1 :]


@pytest.mark.parametrize(
    "path",
    [f"/{KEY.text}", f"/orders/{KEY.text}/lines", f"/{'a' * (MAX_PATH - 20)}{KEY.text}", f"/{KEY.text}{KEY.text}"],
)
def test_a_key_in_the_path_is_redacted(log: pytest.LogCaptureFixture, path: str) -> None:
    Recorder(KEYS, FakeClock()).record(DENIAL, request(path=path), "req-1", "")
    assert SECRET[:8] not in log.text
    assert len(lines(log)[0]["path"]) <= MAX_PATH


def test_a_key_spelled_with_escapes_in_the_path_is_redacted(log: pytest.LogCaptureFixture) -> None:
    canonical = canonical_path(b"/" + "".join(f"%{byte:02x}" for byte in KEY.text.encode()).encode())
    assert isinstance(canonical, str)
    Recorder(KEYS, FakeClock()).record(DENIAL, request(path=canonical), "req-1", "")
    assert SECRET[:8] not in log.text


def test_a_key_sent_as_request_id_is_redacted(log: pytest.LogCaptureFixture) -> None:
    """A client that mixes up its headers must not put its key into our log; 60 bytes fit into the 64 that are kept."""
    Recorder(KEYS, FakeClock()).record(DENIAL, request(), "req-1", KEY.text)
    assert SECRET[:8] not in log.text


CLAIMS, SIGNATURE = "eyJzdWIiOiJ1c2VyLTEifQ", "c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
TOKEN = f"eyJhbGciOiJFUzI1NiJ9.{CLAIMS}.{SIGNATURE}"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (f"/{TOKEN}", "/[redacted]"),
        (f"/orders/{TOKEN}/lines", "/orders/[redacted]/lines"),
        (f"/id={TOKEN}", "/id=[redacted]"),
        (f"/x{TOKEN}", "/x[redacted]"),
        (f"/{TOKEN[:30]}", "/[redacted]"),
        ("/orders.of.eyJack-the-lad", "/orders.of.eyJack-the-lad"),
        ("/" + "eyJ" * 80, "/" + "eyJ" * 80),
    ],
)
def test_a_token_in_the_path_is_redacted(log: pytest.LogCaptureFixture, path: str, told: str) -> None:
    Recorder(KEYS, FakeClock()).record(DENIAL, request(path=path), "req-1", TOKEN[:64])
    (event,) = lines(log)
    assert event["path"] == told
    assert event["client_request_id"] == "[redacted]"


def test_nothing_of_the_query_or_the_headers_is_logged(log: pytest.LogCaptureFixture) -> None:
    facts = request(key=KEY.text, authorization="Bearer sesame", query=b"token=sesame", headers={2: b"https://sesame"})
    Recorder(KEYS, FakeClock()).record(DENIAL, facts, "req-1", "")
    assert "sesame" not in log.text
    assert SECRET[:8] not in log.text


def test_an_exposed_key_is_told_by_its_id_beside_the_refusal(log: pytest.LogCaptureFixture) -> None:
    denial = Deny(Reason.CREDENTIAL_IN_URL, POLICY, exposed_key_id=KEY.id)
    Recorder(KEYS, FakeClock()).record(denial, request(query=KEY.text.encode()), "req-1", "")
    assert [record.levelname for record in log.records] == ["WARNING", "INFO"]
    assert KEY.id in log.records[0].getMessage()
    assert SECRET[:8] not in log.text


def test_an_exposed_key_is_told_however_many_refusals_came_before_it(log: pytest.LogCaptureFixture) -> None:
    recorder = Recorder(KEYS, FakeClock())
    for _ in range(1000):
        recorder.record(DENIAL, request(), "req-1", "")
    recorder.record(Deny(Reason.CREDENTIAL_IN_URL, POLICY, exposed_key_id=KEY.id), request(), "req-2", "")
    assert KEY.id in log.text


def test_made_up_keys_in_urls_do_not_flood_the_log(log: pytest.LogCaptureFixture) -> None:
    """Anybody can send something that looks like a key: without a bound one client writes as many lines as it likes."""
    recorder = Recorder(KEYS, FakeClock())
    for number in range(2000):
        denial = Deny(Reason.CREDENTIAL_IN_URL, POLICY, exposed_key_id=f"{number:012}")
        recorder.record(denial, request(), "req-1", "")
    assert len(log.records) <= 4 * MAX_LINES_PER_SECOND


# -- naughty input -------------------------------------------------------------------------------------------------

NAUGHTY = {
    "newline": 'a\r\n{"event":"forged"}',
    "escape": "\x1b[2J\x1b[31m",
    "NUL": "a\0b",
    "format": "%s %d %(x)s {0}",
    "quote": '","reason":"none',
    "control characters beyond ASCII": "a\x85b\x9fc\xa0d",
    "bytes beyond ASCII": "\xff\xfe",
}


@pytest.mark.parametrize("text", NAUGHTY.values(), ids=NAUGHTY)
def test_naughty_text_stays_inside_its_line(log: pytest.LogCaptureFixture, text: str) -> None:
    Recorder(KEYS, FakeClock()).record(DENIAL, request("GET", "/orders"), "req-1", text)
    assert lines(log)[0]["client_request_id"] == text
    assert len(log.records) == 1


@given(
    st.text(st.characters(max_codepoint=255), max_size=64),
    st.binary(max_size=60).map(lambda tail: b"/" + tail),
    st.text("ABC!#$%&'*+.^_`|~-09", max_size=32),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
def test_whatever_a_client_sends_is_one_line(
    log: pytest.LogCaptureFixture, client_request_id: str, raw: bytes, method: str
) -> None:
    log.clear()
    path = canonical_path(raw)
    facts = request(method, path) if isinstance(path, str) else None
    Recorder(KEYS, FakeClock()).record(DENIAL, facts, "req-1", client_request_id)
    (line,) = lines(log)
    assert line["request_id"] == "req-1"
    assert (line["event"], line["reason"]) == ("refused", "insufficient_scope")


def test_refusals_by_limits_are_counted_by_limit() -> None:
    recorder = Recorder(KEYS, FakeClock())
    outcome = LimitOutcome(False, (0, 1, 0, 9), 9, ("per-key", "per-app"))
    recorder.record(Deny(Reason.RATE_LIMITED, POLICY, ALICE, outcome=outcome), request(), "req-1", "")
    assert recorder.limited == {("orders", "per-key"): 1, ("orders", "per-app"): 1}
