"""The tour: requests and the answers they get, as curl lines for people and as steps for the check."""

from __future__ import annotations

import json
from collections.abc import Mapping

from msgspec import Struct

from gateway_auth.core.keyformat import KEY_IDS, SECRETS, KeyFormat
from gateway_auth.demo.cast import DemoKey

JSON_BODY = {"item": "tea"}


class TourStep(Struct, frozen=True):
    """One request. `credential` says what it carries, `code` what the refusal is called; empty for none."""

    title: str
    method: str
    path: str
    credential: str
    headers: tuple[tuple[str, str], ...]
    status: int
    code: str = ""

    @property
    def expected(self) -> str:
        """`401 credential_required`."""
        return f"{self.status} {self.code}".rstrip()

    @property
    def body(self) -> bytes | None:
        """What a POST sends."""
        return json.dumps(JSON_BODY).encode() if self.method == "POST" else None

    def curl(self, base_url: str) -> str:
        """The request as a line for a shell."""
        words = ["curl -i"]
        words += [f"-H '{name}: {value}'" for name, value in self.headers]
        if self.body is not None:
            words.append(f"-d '{self.body.decode()}'")
        return " ".join([*words, f"{base_url}{self.path}"])


def tour(keys: Mapping[str, DemoKey], key_format: KeyFormat) -> list[TourStep]:
    """Every step, in an order that works each time the demo starts."""
    unknown = key_format.mint("live", KEY_IDS - 1, SECRETS - 1).text
    reader, writer, trial = keys["reader"], keys["writer"], keys["trial"]
    orders, order = "/v1/orders", "/v1/orders/1001"
    both = (*_header(reader), ("Authorization", f"Bearer {reader.text}"))
    return [
        _step("a public route", "GET", "/healthz", None, 200),
        _step("the reader's key", "GET", orders, reader, 200),
        _bearer("the same as a bearer token", order, reader, 200),
        _step("the writer may create", "POST", orders, writer, 201),
        _step("the analyst may read reports", "GET", "/v1/reports/daily", keys["analyst"], 200),
        _step("no credential", "GET", orders, None, 401, "credential_required"),
        TourStep("a made-up key", "GET", orders, "unknown key", _header_of(unknown), 401, "invalid_credential"),
        _step("an expired key", "GET", orders, keys["expired"], 401, "credential_expired"),
        _step("a disabled key", "GET", orders, keys["disabled"], 401, "credential_disabled"),
        _step("the reader may not create", "POST", orders, reader, 403, "insufficient_scope"),
        _step("the reader is no analyst", "GET", "/v1/reports/daily", reader, 403, "insufficient_role"),
        _step("a key of another network", "GET", orders, keys["office"], 403, "network_not_allowed"),
        _step("a route nobody configured", "GET", "/v1/refunds", reader, 403, "no_matching_route"),
        TourStep("two credentials", "GET", orders, "two at once", both, 400, "ambiguous_credentials"),
        _step("a plan of one request a minute: the first", "GET", orders, trial, 200),
        _step("and the second", "GET", orders, trial, 429, "rate_limited"),
    ]


def _step(title: str, method: str, path: str, key: DemoKey | None, status: int, code: str = "") -> TourStep:
    credential = "none" if key is None else f"{key.name} key"
    headers = () if key is None else _header(key)
    if method == "POST":
        headers = (*headers, ("Content-Type", "application/json"))
    return TourStep(title, method, path, credential, headers, status, code)


def _bearer(title: str, path: str, key: DemoKey, status: int) -> TourStep:
    headers = (("Authorization", f"Bearer {key.text}"),)
    return TourStep(title, "GET", path, f"{key.name} key, bearer", headers, status)


def _header(key: DemoKey) -> tuple[tuple[str, str], ...]:
    return _header_of(key.text)


def _header_of(text: str) -> tuple[tuple[str, str], ...]:
    return (("X-API-Key", text),)
