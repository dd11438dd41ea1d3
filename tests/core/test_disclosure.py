"""Reports of leaked secrets: what is read, what is kept of an address, what is answered."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256

import pytest

from gateway_auth.core.disclosure import (
    MAX_ADDRESS_CHARACTERS,
    Report,
    Signature,
    neutral_address,
    parse_reports,
    read_signature,
    render_answer,
)
from gateway_auth.core.keyformat import KeyFormat

KEY = KeyFormat("gwk").mint("live", 1, 2).text
REDACTED = KEY[: -len("_") - 38] + "_[redacted]"
ADDRESSES = {
    "as it is": ("https://github.com/o/r/blob/1f0c/a.py", "https://github.com/o/r/blob/1f0c/a.py"),
    "with a port": ("http://git.example:8080/x", "http://git.example:8080/x"),
    "capitals in the host": ("https://GitHub.com/X", "https://github.com/X"),
    "user, query, fragment": ("https://u:p@github.com/x?token=1#y", "https://github.com/x"),
    "beyond ASCII": ("https://github.com/\u00e9 x", "https://github.com/%C3%A9%20x"),
    "controls": ("https://github.com/a\x1b[2J\u202e", "https://github.com/a%1B%5B2J%E2%80%AE"),
    "line breaks": ("https://github.com/a\r\nb", "https://github.com/ab"),
    "a secret in the path": (f"https://github.com/{KEY}/x", f"https://github.com/{REDACTED}/x"),
    "an encoded one": (f"https://github.com/{KEY.replace('_', '%5F')}", f"https://github.com/{REDACTED}"),
    "an admin token": ("https://h/gwadm_000000000000_AAAAAAAAAA", "https://h/gwadm_000000000000_[redacted]"),
    "a script": ("javascript:alert(1)", None),
    "a file": ("file:///etc/passwd", None),
    "no scheme": ("//github.com/x", None),
    "no host": ("https:///x", None),
    "a host of brackets": ("https://[::1/x", None),
    "a host with a script": ("https://<b>/x", None),
    "a port there is none of": ("https://github.com:99999/x", None),
    "nothing": ("", None),
}


@pytest.mark.parametrize(("url", "kept"), ADDRESSES.values(), ids=ADDRESSES)
def test_an_address_is_kept_in_a_form_that_does_no_harm(url: str, kept: str | None) -> None:
    assert neutral_address(url) == kept


def test_an_address_is_cut() -> None:
    kept = neutral_address("https://github.com/" + "\u00e9" * 10_000)
    assert kept is not None
    assert len(kept) == MAX_ADDRESS_CHARACTERS


def test_a_report_does_not_show_its_token() -> None:
    (report,) = parse_reports(json.dumps([{"token": KEY, "type": "acme", "url": 5, "source": "a b"}]).encode()) or ()
    assert report == Report(KEY, "acme", None, None)
    assert KEY not in repr(report)


NO_REPORTS = (
    b"", b"null", b"{}", b"[1]", b"[[]]", b"[" * 100_000,
    b'[{"token":"a","type":"b","type":"c"}]', b'[{"token":"","type":"b"}]', b'[{"token":"a","type":""}]',
)  # fmt: skip


@pytest.mark.parametrize("body", NO_REPORTS, ids=lambda body: body[:40].decode())
def test_what_is_no_list_of_reports_is_none(body: bytes) -> None:
    assert parse_reports(body) is None


def test_the_signature_headers_come_once_and_are_what_they_can_be() -> None:
    value = b64encode(b"0" * 70)
    assert read_signature([b"abc"], [value]) == Signature("abc", b"0" * 70)
    for key_ids, signatures in (
        ([], [value]), ([b"a", b"a"], [value]), ([b"a"], []), ([b"a"], [value, value]), ([b"a b"], [value]),
        ([b""], [value]), ([b"a" * 129], [value]), ([b"a"], [b"!"]), ([b"a"], [b"A" * 200]), ([b"\xe9"], [value]),
    ):  # fmt: skip
        assert read_signature(key_ids, signatures) is None


def test_the_answer_has_hashes_and_no_token() -> None:
    body = render_answer([(Report(KEY, "acme"), True), (Report("x", "acme"), False)])
    assert json.loads(body) == [
        {"token_hash": sha256(KEY.encode()).hexdigest(), "token_type": "acme", "label": "true_positive"},
        {"token_hash": sha256(b"x").hexdigest(), "token_type": "acme", "label": "false_positive"},
    ]
