"""What looks like a secret is taken out of a text, wherever it stands in it, and nothing else is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.redaction import redacted

TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]*\.[\w-]*", re.ASCII)
"""What a token is, said in a way that takes long for a text of nothing but its beginnings."""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a eyJh.eyJz.c2ln b", "a [redacted] b"),
        ("token=xeyJh.eyJz.c2ln.more", "token=x[redacted].more"),
        ("eyJh.. eyJ.a.b eyJh.x", "[redacted] eyJ.a.b eyJh.x"),
        ("gwk_live_0123456789ab_" + "x" * 38, "gwk_live_0123456789ab_[redacted]"),
        ("gwadm_0123456789ab_" + "x" * 32, "gwadm_0123456789ab_[redacted]"),
        ("/v1/orders.json?a=b.c.d", "/v1/orders.json?a=b.c.d"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert redacted(text) == shown


@given(st.lists(st.sampled_from(["eyJ", ".", "a", "-", "_", "é", " ", "/", "eJ", "\n"]), max_size=20).map("".join))
def test_every_token_is_found(text: str) -> None:
    assert redacted(text) == TOKEN.sub("[redacted]", text)
