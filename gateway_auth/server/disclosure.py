"""`/.gateway/disclosure`: takes signed reports of leaked secrets. The signature is verified before anything is read.

Whoever has no signature learns nothing: every such request gets one answer, whatever stands in it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway_auth.asgi.request_id import request_ids
from gateway_auth.asgi.respond import refuse_websocket, send_outcome
from gateway_auth.asgi.scope import Reading, ScopeReader
from gateway_auth.asgi.types import Header, Receive, Scope, Send
from gateway_auth.bootstrap.disclosure import Disclosure
from gateway_auth.core.actor import Actor
from gateway_auth.core.decision import Deny, Reason
from gateway_auth.core.disclosure import ALGORITHM, MAX_BODY_BYTES, parse_reports, read_signature, render_answer
from gateway_auth.core.network import Address, format_address, network_of
from gateway_auth.core.outcome import DEPENDENCY_RETRY_SECONDS, Outcome, deny_outcome
from gateway_auth.core.request import RequestFacts
from gateway_auth.core.routes import RESERVED_PREFIX
from gateway_auth.core.ruleset import RuleSet
from gateway_auth.engine.brake import Brake
from gateway_auth.engine.keyset import NoSuchKey
from gateway_auth.errors import IssuerUnavailable, StoreUnavailable
from gateway_auth.ports import Clock

logger = logging.getLogger("gateway_auth.disclosure")

PATH = f"{RESERVED_PREFIX}disclosure".encode()
BODY_SECONDS = 10.0
MAX_AT_ONCE = 16
MAX_AT_ONCE_FROM_ONE = 2
"""Reports under way, and those of one address: whoever sends slowly keeps no others out."""

_UNSIGNED = Deny(
    Reason.INVALID_CREDENTIAL, detail="The report is not signed by a key that this gateway takes reports from."
)
_UNREADABLE = Deny(Reason.MALFORMED_REQUEST, detail="The report is signed, and is no list of tokens and their types.")
_LATE = Deny(Reason.MALFORMED_REQUEST, detail="The report did not arrive in time.")
_BUSY = Deny(Reason.RATE_LIMITED, detail="Too many reports at once; send it again.", retry_after_seconds=1)
_AWAY = Deny(
    Reason.DEPENDENCY_UNAVAILABLE,
    detail="The report cannot be handled right now; send it again after Retry-After.",
    retry_after_seconds=DEPENDENCY_RETRY_SECONDS,
)


class DisclosureRoom:
    """An ASGI app for POST. `disclosure_of` gives what runs on this loop, None while nothing does."""

    def __init__(self, rules: RuleSet, disclosure_of: Callable[[], Disclosure | None], clock: Clock) -> None:
        self._disclosure_of = disclosure_of
        self._is_https_required = rules.is_https_required
        self._realm = rules.realm
        self._reader = ScopeReader(rules)
        self._brake = Brake(rules.brake, clock)
        self._under_way: Counter[int] = Counter()
        self._next_id = request_ids()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one report."""
        header = self._next_id()
        request_id = header[1].decode("ascii")
        if scope["type"] == "websocket" or scope.get("raw_path") != PATH:
            denial = Deny(Reason.NO_MATCHING_ROUTE)
            outcome = deny_outcome(denial, self._realm, request_id)
            if scope["type"] == "websocket":
                await refuse_websocket(scope, send, outcome, denial.reason)
                return
        elif scope["method"] != "POST":
            outcome = Outcome(405, (header, (b"allow", b"POST"), (b"content-length", b"0")), b"")
        else:
            answer = await self._answer(scope, receive, request_id)
            if isinstance(answer, Deny):
                outcome = deny_outcome(answer, self._realm, request_id)
            else:
                outcome = _answered(answer, header)
        await send_outcome(send, outcome)

    async def _answer(self, scope: Scope, receive: Receive, request_id: str) -> Deny | bytes:
        reading = self._reader.read(scope)
        disclosure = self._disclosure_of()
        if not isinstance(reading, Reading):
            return Deny(Reason.MALFORMED_REQUEST, detail=f"The request cannot be read: {reading.detail}.")
        facts = reading.facts
        if self._is_https_required and not facts.is_tls:
            return Deny(Reason.HTTPS_REQUIRED)
        if disclosure is None:
            return _AWAY
        if wait_seconds := self._brake.wait_seconds(facts.client):
            return Deny(Reason.TOO_MANY_FAILURES, retry_after_seconds=wait_seconds)
        if facts.body_bytes is not None and facts.body_bytes > MAX_BODY_BYTES:
            return Deny(Reason.BODY_TOO_LARGE)
        with self._turn(facts.client) as is_admitted:
            if not is_admitted:
                return _BUSY
            try:
                return await self._take(disclosure, scope, receive, facts, request_id)
            except (IssuerUnavailable, StoreUnavailable) as error:
                logger.warning("a report of leaked secrets has to come again: %s", error)
                return _AWAY

    async def _take(
        self, disclosure: Disclosure, scope: Scope, receive: Receive, facts: RequestFacts, request_id: str
    ) -> Deny | bytes:
        """Raises IssuerUnavailable and StoreUnavailable."""
        body = await self._signed_body(disclosure, scope, receive)
        if isinstance(body, Deny):
            if body is _UNSIGNED:
                self._brake.failed(facts.client)
            return body
        self._brake.succeeded(facts.client)
        reports = parse_reports(body)
        if reports is None:
            logger.warning("%s has signed a report that cannot be read", disclosure.name)
            return _UNREADABLE
        address = format_address(facts.client) if facts.client is not None else None
        actor = Actor(kind="disclosure", name=disclosure.name, request_id=request_id, address=address)
        verdicts = await disclosure.secrets.take(actor, reports)
        logger.info("%s has reported %d secrets, %d of them genuine", disclosure.name, len(reports), sum(verdicts))
        return render_answer(zip(reports, verdicts, strict=True))

    async def _signed_body(self, disclosure: Disclosure, scope: Scope, receive: Receive) -> Deny | bytes:
        """The body, byte for byte what somebody who may report has signed. Nothing of it is looked at before."""
        said = read_signature(
            _values(scope["headers"], b"github-public-key-identifier"),
            _values(scope["headers"], b"github-public-key-signature"),
        )
        if said is None:
            return _UNSIGNED
        key = await disclosure.keys.find(ALGORITHM, said.key_id)
        if isinstance(key, NoSuchKey):
            return _UNSIGNED
        body = await _read(receive)
        if isinstance(body, Deny):
            return body
        return body if key.verify(body, said.signature) else _UNSIGNED

    @contextmanager
    def _turn(self, client: Address | None) -> Iterator[bool]:
        """Whether one more report may be under way."""
        place = network_of(client) if client is not None else -1
        is_admitted = self._under_way.total() < MAX_AT_ONCE and self._under_way[place] < MAX_AT_ONCE_FROM_ONE
        self._under_way[place] += is_admitted
        try:
            yield is_admitted
        finally:
            self._under_way[place] -= is_admitted
            if not self._under_way[place]:
                del self._under_way[place]


async def _read(receive: Receive) -> Deny | bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > MAX_BODY_BYTES:
                    return Deny(Reason.BODY_TOO_LARGE)
                if message["type"] != "http.request":
                    return _LATE  # nobody waits for this answer any more
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        return _LATE


def _values(headers: list[Header], name: bytes) -> list[bytes]:
    return [value.strip(b" \t") for key, value in headers if key.lower() == name]


def _answered(body: bytes, request_id_header: Header) -> Outcome:
    headers = (
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        request_id_header,
    )
    return Outcome(200, headers, body)
