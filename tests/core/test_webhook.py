"""Webhook events: the signature of the published example, secrets, patterns, and what is told."""

import json

import pytest

from gateway_auth.core.audit import AuditRecord
from gateway_auth.core.webhook import delivery_of_record, is_wanted, parse_secret, retry_at, sign

SECRET = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_signature_is_the_one_standard_webhooks_give_as_an_example() -> None:
    signature = sign(parse_secret(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "text", [b"", b"whsec_", b"whsec_AAAA", b"whsec_" + b"A" * 100, b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b"whsec_!!!!"]
)
def test_a_secret_that_is_none_is_refused_and_not_repeated(text: bytes) -> None:
    with pytest.raises(ValueError, match="24 to 64 random bytes") as refused:
        parse_secret(text)
    assert text == b"" or text.decode() not in str(refused.value) or text == b"whsec_"


@pytest.mark.parametrize(
    ("patterns", "event", "wanted"),
    [
        (["*"], "key.rotate", True),
        (["key.*"], "key.rotate", True),
        (["key.rotate"], "key.rotate", True),
        (["key.create", "app.*"], "key.rotate", False),
        (["key.*"], "keys.rotate", False),
        ([], "key.rotate", False),
    ],
)
def test_patterns(patterns: list[str], event: str, wanted: bool) -> None:
    assert is_wanted(patterns, event) is wanted


def test_an_event_tells_the_record_in_ascii() -> None:
    record = AuditRecord(
        7, 1_800_000_000.25, "cli:älice", "key.update", "key", "key1", "done", None, None, '{"a":1}', None
    )
    delivery = delivery_of_record("ops", record, 5.0)
    assert delivery.body.isascii()
    assert json.loads(delivery.body) == {
        "type": "key.update",
        "timestamp": "2027-01-15T08:00:00.250Z",
        "data": {
            "seq": 7, "actor": "cli:älice", "object": {"kind": "key", "id": "key1"}, "outcome": "done",
            "before": {"a": 1}, "after": None,
        },
    }  # fmt: skip
    assert (delivery.id, delivery.event_id, delivery.next_at) == ("ops/audit-7", "audit-7", 5.0)


def test_retries_end() -> None:
    assert [retry_at(attempts, 100.0) for attempts in (1, 2, 9, 10)] == [105.0, 400.0, 86_500.0, None]
