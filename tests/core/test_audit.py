"""The chain's form, which may never change: whoever verifies an old audit with a new program depends on it."""

import hashlib
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from gateway_auth.core.audit import (
    DOMAIN,
    GENESIS,
    AuditEvent,
    AuditHead,
    AuditRecord,
    link,
    parse_head,
    seal,
)

EVENT = AuditEvent(
    at=1_800_000_000.25,
    actor="cli:älice",
    action="key.disable",
    object_kind="key",
    object_id="HuIqzrz5vtFh",
    address="192.0.2.7",
    before={"status": "active", "scopes": ["a", "b"], "name": "\u2603"},
    after=None,
)


def test_the_hash_of_a_known_record_is_what_it_always_was() -> None:
    sealed = seal(GENESIS, EVENT)
    assert sealed.record.before == '{"name":"\u2603","scopes":["a","b"],"status":"active"}'
    assert sealed.hash.hex() == "0cef3472b071e4b52a2e6cd9513dbe497304df0596e02703ac603530602535f3"
    assert seal(sealed.head, EVENT).hash.hex() == "baf5f6aab89be36cc1890cbdf6b40c5af61cca8ded7048b20f5c9a710596d080"


def test_the_form_is_that_of_the_documentation() -> None:
    """Made by hand, as somebody would with the page docs/audit.md and no program of ours."""
    record = seal(GENESIS, EVENT).record
    assert record.before is not None
    made = b"".join(
        (
            bytes([0x9B, 1]),
            b"\xcb" + struct.pack(">d", 1_800_000_000.25),
            *(text(part.encode()) for part in (record.actor, record.action, "key", record.object_id, "done")),
            b"\xc0",
            text(b"192.0.2.7"),
            text(record.before.encode()),
            b"\xc0",
        )
    )
    assert hashlib.sha256(DOMAIN + bytes(32) + made).digest() == link(GENESIS.hash, record)


def text(value: bytes) -> bytes:
    return (bytes([0xA0 + len(value)]) if len(value) < 32 else bytes([0xD9, len(value)])) + value


def test_a_record_follows_its_head() -> None:
    first = seal(GENESIS, EVENT)
    assert (first.record.seq, first.head) == (1, AuditHead(1, first.hash))
    second = seal(first.head, EVENT)
    assert second.record == msgspec.structs.replace(first.record, seq=2)
    assert second.hash != first.hash


def test_whole_seconds_are_hashed_as_the_database_gives_them_back() -> None:
    assert seal(GENESIS, msgspec.structs.replace(EVENT, at=5)) == seal(GENESIS, msgspec.structs.replace(EVENT, at=5.0))


ZEROS = "0" * 64
TEXTS = some.text(max_size=5)
RECORDS = some.builds(
    AuditRecord,
    seq=some.integers(1, 300),
    at=some.floats(0, 1e10),
    actor=TEXTS,
    action=TEXTS,
    object_kind=TEXTS,
    object_id=TEXTS,
    outcome=TEXTS,
    request_id=some.none() | TEXTS,
    address=some.none() | TEXTS,
    before=some.none() | TEXTS,
    after=some.none() | TEXTS,
)


@given(RECORDS, RECORDS)
def test_different_records_have_different_hashes(one: AuditRecord, other: AuditRecord) -> None:
    assert (link(GENESIS.hash, one) == link(GENESIS.hash, other)) == (one == other)


def test_a_head_is_read_as_it_is_written() -> None:
    head = AuditHead(1042, bytes(range(32)))
    assert parse_head(str(head)) == head
    assert str(GENESIS) == f"0:{'0' * 64}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1:",
        f":{ZEROS}",
        f"-1:{ZEROS}",
        f"1:{ZEROS[1:]}",
        f"1:{ZEROS[1:]}g",
        f"\u0663:{ZEROS}",
        f"{'9' * 19}:{ZEROS}",
    ],
)
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a head|hexadecimal"):
        parse_head(text)
