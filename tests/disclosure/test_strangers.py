"""Who may not report: nothing is read, nothing changes, nothing is learnt, and nobody is kept busy."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from starlette.types import ASGIApp, Message

from gateway_auth.config import load
from gateway_auth.server import disclosure
from gateway_auth.server.composition import build
from tests.adapters.issuer_server import IssuerServer
from tests.adapters.issuer_server import answer as page
from tests.asgi.raw import Answer, call, connect, http_scope, websocket_scope
from tests.asgi.world import Site
from tests.disclosure.conftest import Serve
from tests.disclosure.partner import PATH, Partner, a_report, keys_document, labels
from tests.disclosure.test_reports import status_of

UNSIGNED = (401, "invalid_credential")
Headers = list[tuple[str, str]]
NAMES = ("Github-Public-Key-Identifier", "Github-Public-Key-Signature")


def raw_signature(partner: Partner, body: bytes) -> str:
    """Side by side, as JWTs have them."""
    r, s = decode_dss_signature(b64decode(partner.sign(body)))
    return b64encode(r.to_bytes(32) + s.to_bytes(32)).decode()


FORGERIES: dict[str, Callable[[Partner, bytes], Headers]] = {
    "no headers": lambda partner, body: [],
    "no signature": lambda partner, body: partner.headers(body)[:1],
    "no key": lambda partner, body: partner.headers(body)[1:],
    "an empty signature": lambda partner, body: [(NAMES[0], partner.key_id), (NAMES[1], "")],
    "of another body": lambda partner, body: partner.headers(body + b" "),
    "by another key": lambda partner, body: [(NAMES[0], partner.key_id), (NAMES[1], Partner().sign(body))],
    "by a key of another curve": lambda partner, body: [
        (NAMES[0], partner.key_id), (NAMES[1], Partner(curve=ec.SECP384R1()).sign(body)[:128]),
    ],
    "r and s side by side": lambda partner, body: [
        (NAMES[0], partner.key_id), (NAMES[1], raw_signature(partner, body)),
    ],
    "no base64": lambda partner, body: [(NAMES[0], partner.key_id), (NAMES[1], partner.sign(body)[:-1] + "*")],
    "an unknown key": lambda partner, body: [(NAMES[0], "somebody"), (NAMES[1], partner.sign(body))],
    "another spelling of the key": lambda partner, body: [
        (NAMES[0], partner.key_id.upper()), (NAMES[1], partner.sign(body)),
    ],
    "a long key id": lambda partner, body: [(NAMES[0], "a" * 5000), (NAMES[1], partner.sign(body))],
    "a key id of bytes": lambda partner, body: [(NAMES[0], "\xff\xfe"), (NAMES[1], partner.sign(body))],
    "two keys": lambda partner, body: [*partner.headers(body), (NAMES[0], partner.key_id)],
    "two signatures": lambda partner, body: [*partner.headers(body), (NAMES[1], partner.sign(body))],
}  # fmt: skip


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
async def test_whoever_has_no_signature_gets_one_answer_whatever_is_in_the_report(
    app: ASGIApp, partner: Partner, site: Site, forge: Callable[[Partner, bytes], Headers]
) -> None:
    answers = []
    for body in (a_report(site.keys["reader"]), a_report("gwk_live_nobody"), b"{{{"):
        answers.append(await call(app, http_scope("POST", PATH, forge(partner, body)), body))
        assert answers[-1].refusal == UNSIGNED
    bodies = [{**json.loads(answer.body), "request_id": ""} for answer in answers]
    assert bodies[0] == bodies[1] == bodies[2]
    assert await status_of(site, "reader") == "active"


async def test_keys_that_are_no_p256_keys_are_not_used(serve: Serve, site: Site) -> None:
    other, good = Partner("other", ec.SECP384R1()), Partner("good")
    document = {"public_keys": [other.published, {"key_identifier": "none"}, "x", {**good.published, "key": "-----"},
                                good.published]}  # fmt: skip
    (site.directory / "odd.json").write_text(json.dumps(document), "utf-8")
    app = await serve(keys_file=str(site.directory / "odd.json"))
    assert (await other.report(app, site.keys["reader"])).refusal == UNSIGNED
    assert await status_of(site, "reader") == "active"
    assert labels(await good.report(app, site.keys["reader"])) == ["true_positive"]


async def test_names_that_are_no_keys_do_not_make_it_fetch_again_and_again(
    serve: Serve, partner: Partner, site: Site
) -> None:
    async with IssuerServer() as server:
        server.pages["/keys"] = page(keys_document(partner))
        app = await serve({"failed_auth": False}, keys_url=f"{server.url}/keys")
        assert server.asked == []
        for number in range(50):
            stranger = Partner.__new__(Partner)
            stranger.key_id, stranger.private = f"made-up-{number}", partner.private
            assert (await stranger.report(app, site.keys["reader"])).refusal == UNSIGNED
        assert len(server.asked) <= 2
        assert labels(await partner.report(app, site.keys["reader"])) == ["true_positive"]
        assert len(server.asked) <= 2


@pytest.mark.parametrize("fault", ["not found", "no key set", "gone"])
async def test_while_the_keys_cannot_be_had_the_partner_has_to_come_again(
    serve: Serve, partner: Partner, site: Site, fault: str
) -> None:
    async with IssuerServer() as server:
        if fault == "no key set":
            server.pages["/keys"] = page(b'{"message": "API rate limit exceeded"}')
        url = f"{server.url}/keys" if fault != "gone" else "http://127.0.0.1:9/keys"
        app = await serve(keys_url=url)
        answer = await partner.report(app, site.keys["reader"])
        assert answer.refusal == (503, "dependency_unavailable")
        assert answer.only("retry-after") == "1"
    assert await status_of(site, "reader") == "active"


async def test_a_body_of_any_size_is_not_kept(app: ASGIApp, partner: Partner) -> None:
    declared = [*partner.headers(b""), ("content-length", str(1 << 30))]
    assert (await call(app, http_scope("POST", PATH, declared))).refusal == (413, "body_too_large")
    chunked = [*partner.headers(b""), ("transfer-encoding", "chunked")]
    answer = await call(app, http_scope("POST", PATH, chunked), *[b" " * 65536] * 32)
    assert answer.refusal == (413, "body_too_large")


async def test_guesses_from_one_address_are_braked_and_others_are_not(
    app: ASGIApp, partner: Partner, site: Site
) -> None:
    stranger = Partner(partner.key_id)
    statuses = [(await stranger.report(app, site.keys["reader"])).status for _ in range(25)]
    assert statuses == [401] * 20 + [429] * 5
    elsewhere = await partner.report(app, site.keys["reader"], client=("198.51.100.7", 4000))
    assert labels(elsewhere) == ["true_positive"]


class Slow:
    """A client that sends the beginning of a report, and the rest when it is told to."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.is_read = asyncio.Event()
        self.go_on = asyncio.Event()
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if not self.is_read.is_set():
            self.is_read.set()
            return {"type": "http.request", "body": self.body[:5], "more_body": True}
        await self.go_on.wait()
        return {"type": "http.request", "body": self.body[5:], "more_body": False}

    async def send(self, message: Message) -> None:
        self.sent.append(message)


async def test_who_sends_slowly_keeps_nobody_else_out(app: ASGIApp, partner: Partner, site: Site) -> None:
    body = a_report(site.keys["reader"])
    slow = [Slow(body) for _ in range(2)]
    tasks: list[asyncio.Future[None]] = [
        asyncio.ensure_future(app(http_scope("POST", PATH, partner.headers(body)), one.receive, one.send))
        for one in slow
    ]
    for one in slow:
        await one.is_read.wait()
    assert (await partner.report(app, site.keys["plain"])).refusal == (429, "rate_limited")
    assert labels(await partner.report(app, site.keys["plain"], client=("198.51.100.7", 1))) == ["true_positive"]
    for one in slow:
        one.go_on.set()
    await asyncio.gather(*tasks)
    assert [labels(Answer(one.sent)) for one in slow] == [["true_positive"]] * 2
    assert labels(await partner.report(app, site.keys["plain"])) == ["true_positive"]


async def test_who_leaves_in_the_middle_is_forgotten(app: ASGIApp, partner: Partner, site: Site) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    for _ in range(5):
        await app(http_scope("POST", PATH, partner.headers(b"")), receive, send)
    assert labels(await partner.report(app, site.keys["reader"])) == ["true_positive"]


async def test_a_report_that_does_not_arrive_in_time_is_none(
    app: ASGIApp, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disclosure, "BODY_SECONDS", 0.01)
    body = a_report("gwk_live_nobody")
    slow = Slow(body)
    await app(http_scope("POST", PATH, partner.headers(body)), slow.receive, slow.send)
    assert Answer(slow.sent).refusal == (400, "malformed_request")


async def test_an_ambiguous_request_is_none_and_one_before_the_start_has_to_come_again(
    serve: Serve, site: Site, partner: Partner
) -> None:
    body = a_report(site.keys["reader"])
    twice = [*partner.headers(body), ("host", "a"), ("host", "b")]
    assert (await call(await serve(), http_scope("POST", PATH, twice), body)).refusal == (400, "malformed_request")
    table = {"keys_file": str(site.directory / "keys.json")}
    unstarted = build(load({**site.config(), "disclosure": table})).app
    assert (await partner.report(unstarted, site.keys["reader"])).refusal == (503, "dependency_unavailable")


async def test_only_post_at_that_very_path_is_a_report(app: ASGIApp, partner: Partner, site: Site) -> None:
    for method in ("GET", "PUT", "OPTIONS", "DELETE"):
        answer = await call(app, http_scope(method, PATH))
        assert (answer.status, answer.only("allow")) == (405, "POST")
    for path in (f"{PATH}/", f"{PATH}/x", "/.gateway/disclosur%65"):
        body = a_report(site.keys["reader"])
        answer = await call(app, http_scope("POST", path, partner.headers(body)), body)
        assert answer.refusal == (403, "no_matching_route")
    refused: Any = await connect(app, websocket_scope(PATH))
    assert refused.messages[0]["type"] == "websocket.close"


async def test_where_https_is_required_a_secret_in_the_clear_is_not_taken(
    serve: Serve, partner: Partner, site: Site
) -> None:
    app = await serve({"require_https": True})
    assert (await partner.report(app, site.keys["reader"])).refusal == (403, "https_required")
    assert labels(await partner.report(app, site.keys["reader"], scheme="https")) == ["true_positive"]
