"""Reads a decision table's cases: what to send, from where, and what is right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gateway_auth.core.decision import REASONS, Reason
from gateway_auth.core.path import canonical_path
from gateway_auth.core.resource import METADATA_PATH
from tests.conformance.answers import check_pass, check_refusal
from tests.conformance.edges import Edge, fresh_address
from tests.conformance.record import Record
from tests.conformance.vectors import Case, fill
from tests.conformance.wire import Answer, request

PROXY = "127.10.0.5"
"""A trusted proxy of every world."""
CHUNK_BYTES = 1000


@dataclass(frozen=True)
class Step:
    """One request of a case."""

    words: Case
    method: str
    target: bytes
    fields: list[tuple[str, bytes]]
    host: bytes | None
    peer: str

    @property
    def raw(self) -> bytes:
        """The bytes to send."""
        size = self.words.get("body_size", 0)
        if not self.words.get("chunked"):
            return request(self.method, self.target, self.fields, b"b" * size, self.host)
        fields = [*self.fields, ("Transfer-Encoding", b"chunked")]
        sizes = [CHUNK_BYTES] * (size // CHUNK_BYTES) + [size % CHUNK_BYTES or 1]
        body = b"".join(b"%x\r\n%b\r\n" % (length, b"b" * length) for length in sizes)
        assert sum(sizes) == size
        return request(self.method, self.target, fields, host=self.host) + body + b"0\r\n\r\n"


def named_keys(table: str, keys: dict[str, str]) -> dict[str, str]:
    """The keys a table may name."""
    prefix = f"{table}."
    return {name.removeprefix(prefix): text for name, text in keys.items() if name.startswith(prefix)}


def steps(case: Case, keys: dict[str, str]) -> Iterator[Step]:
    """Every request of a case, repeated ones as often as it says. Without a peer all come from one fresh address."""
    mine = fresh_address()
    for words in case.get("requests", [case]):
        for _ in range(words.get("times", 1)):
            named = words.get("peer", "")
            host = words.get("host", "api.test")
            yield Step(
                words=words,
                method=words.get("method", "GET"),
                target=fill(words["target"], keys),
                fields=[(name, fill(value, keys)) for name, value in words.get("headers", [])],
                host=host.encode() if host is not None else None,
                peer={"": mine, "fresh": fresh_address(), "proxy": PROXY}.get(named, named),
            )


def statuses(words: Case) -> tuple[int, ...]:
    """The statuses that are right; more than one only where the contract leaves it open."""
    status = words["status"]
    return tuple(status) if isinstance(status, list) else (status,)


def judge(edge: Edge, step: Step, answer: Answer, records: list[Record], keys: dict[str, str]) -> None:
    """One answer, and what went on."""
    words = step.words
    assert answer.status in statuses(words), (answer, step.raw[:300])
    assert len(records) == (answer.status == 200)
    if answer.status == 200:
        check_pass(answer)
        _judge_record(edge, step, records[0], keys)
    elif step.method == "HEAD" or answer.value("content-type") != "application/problem+json":
        # A server refuses by itself what it cannot parse: then the status is all there is to compare.
        assert step.method == "HEAD" or answer.status in (400, 431)
    else:
        assert check_refusal(answer) == words.get("code", "malformed_request")
    for name, value in words.get("fields", {}).items():
        assert_matches(value, answer.values(name))
    if "challenge" in words:
        assert answer.values("www-authenticate") == [_with_metadata(text, step) for text in words["challenge"]]
    if "violated" in words:
        assert f'"violated-policies":{words["violated"]}'.replace("'", '"').encode() in answer.body


def _with_metadata(challenge: str, step: Step) -> str:
    """Every world has an issuer, so a Bearer challenge also names the metadata of what was asked for (RFC 9728)."""
    if not challenge.startswith("Bearer ") or step.host is None:
        return challenge
    path = step.target.partition(b"?")[0].decode()
    return f'{challenge}, resource_metadata="http://{step.host.decode()}{METADATA_PATH}{path}"'


def _judge_record(edge: Edge, step: Step, record: Record, keys: dict[str, str]) -> None:
    words = step.words
    assert record.method == step.method
    seen = fill(str(words.get("target_seen", words["target"])), keys)
    if edge.is_rewriting:
        assert record.target == seen
    else:
        # It forwards what the client wrote, which must be a spelling of what was judged.
        path, _, query = record.target.partition(b"?")
        assert (canonical_path(path), query) == (seen.partition(b"?")[0].decode(), seen.partition(b"?")[2])
    assert record.body == b"b" * words.get("body_size", 0)
    if "auth" in words:
        assert record.values("x-auth-method") == [words["auth"]]
    if "route" in words and not edge.is_proxy:
        assert record.route == words["route"]
    for name, value in words.get("seen", {}).items():
        assert_matches(value, record.values(name), keys)


def assert_matches(expected: str | list[str] | None, found: list[str], keys: dict[str, str] | None = None) -> None:
    """`found` is the value, the values, one that matches `~pattern`, or none where None is expected."""
    if isinstance(expected, str) and expected.startswith("~"):
        assert len(found) == 1
        assert re.fullmatch(expected[1:], found[0]), found
        return
    wanted = [] if expected is None else [expected] if isinstance(expected, str) else expected
    assert found == [fill(value, keys or {}).decode() for value in wanted]


def reason_of(words: Case) -> Reason | None:
    """The reason of a refusal; None where the request passes. The code's status is the one the case says."""
    if "code" not in words:
        return None
    reason = Reason(words["code"])
    assert REASONS[reason].status in statuses(words)
    return reason
