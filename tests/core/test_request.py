"""What a preflight is."""

from __future__ import annotations

import pytest

from gateway_auth.core import headers as h
from tests.fakes import request

ORIGIN = {h.ORIGIN: b"https://shop.example"}
ASKS = {h.PREFLIGHT_METHOD: b"DELETE"}


@pytest.mark.parametrize(
    ("method", "headers", "asked_for"),
    [
        ("OPTIONS", {**ORIGIN, **ASKS}, "DELETE"),
        ("OPTIONS", ORIGIN, None),
        ("OPTIONS", ASKS, None),
        ("OPTIONS", {}, None),
        ("GET", {**ORIGIN, **ASKS}, None),
        ("OPTIONS", {**ORIGIN, h.PREFLIGHT_METHOD: b""}, None),
        ("OPTIONS", {**ORIGIN, h.PREFLIGHT_METHOD: b"\xff"}, "\xff"),
        ("options", {**ORIGIN, **ASKS}, None),
    ],
)
def test_a_preflight_is_an_options_request_with_origin_and_method(
    method: str, headers: dict[int, bytes], asked_for: str | None
) -> None:
    assert request(method, headers=headers).preflight_method == asked_for
