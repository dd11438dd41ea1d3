"""One admitted request: what is known of it for whatever runs behind, and the way back for its answer.

The way back adds our headers to the app's answer, or puts a later refusal in its place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from gateway_auth.asgi.respond import refuse_websocket, send_outcome
from gateway_auth.asgi.scope import Reading
from gateway_auth.asgi.types import Header, Message, Receive, Scope, Send
from gateway_auth.core.decision import Allow, Deny, Reason
from gateway_auth.core.memo import Memo
from gateway_auth.core.network import Address, format_address
from gateway_auth.core.outcome import deny_outcome, limit_headers
from gateway_auth.core.principal import Principal
from gateway_auth.errors import BodyTooLarge

if TYPE_CHECKING:
    from gateway_auth.asgi.gate import Gate

_SWITCHED = 101
"""The status of a WebSocket that was accepted, where no message tells one."""
_BEGINNINGS = frozenset(("http.response.start", "websocket.accept", "websocket.http.response.start"))
# Names should be lower-case (ASGI), but servers pass on what apps send, and Django's are not.
_OURS: Memo[bytes, bool] = Memo(lambda name: name.lower() == b"x-request-id", 1024, 64)
_OURS_WHEN_LIMITED: Memo[bytes, bool] = Memo(
    lambda name: name.lower() in (b"x-request-id", b"ratelimit", b"ratelimit-policy"), 1024, 64
)

_SPELLED: Memo[Address, str] = Memo(format_address)


async def _nothing() -> None:
    return None


class Exchange(Struct, eq=False):
    """`scope["gateway_auth"]` of an admitted request, and its `send`. Messages of a streamed body pass untouched.

    `denial` is set by what refuses later, inside the app (`requires`, the body cap): whatever the app then answers is
    replaced by the gateway's own answer for it.
    """

    decision: Allow
    request_id_header: Header
    gate: Gate
    reading: Reading
    server_scope: Scope
    server_send: Send
    denial: Deny | None = None
    has_started: bool = False
    is_replaced: bool = False

    @property
    def request_id(self) -> str:
        """What the request is called in answers and logs."""
        return self.request_id_header[1].decode("ascii")

    @property
    def principal(self) -> Principal:
        """Whose request it is."""
        return self.decision.principal

    @property
    def upstream(self) -> str | None:
        """The upstream the route names, if it names one."""
        return self.decision.policy.upstream

    @property
    def timeout_seconds(self) -> float | None:
        """How long the route lets the upstream take to answer, if it says so."""
        return self.decision.policy.timeout_seconds

    @property
    def client_address(self) -> str | None:
        """The client's address as text, None where there is none."""
        client = self.reading.facts.client
        return _SPELLED[client] if client is not None else None

    def send(self, message: Message) -> Awaitable[None]:
        """What the app sends by."""
        kind, server_send = message["type"], self.server_send
        if kind == "http.response.body":
            return _nothing() if self.is_replaced else server_send(message)
        is_beginning = kind in _BEGINNINGS
        if self.denial is not None and not self.has_started and (is_beginning or kind == "websocket.close"):
            return self._replace(self.denial)
        if self.is_replaced or not is_beginning:
            return _nothing() if self.is_replaced else server_send(message)
        answer = dict(message)
        answer["headers"] = self.begin_answer(message.get("status", _SWITCHED), message.get("headers", ()))
        return server_send(answer)

    def begin_answer(self, status: int, headers: Iterable[Header]) -> list[Header]:
        """What the answer begins with; noted. Our headers replace those of the same name: nobody speaks for us."""
        self.has_started = True
        decision = self.decision
        outcome = decision.outcome
        self.gate.usage.note(decision.principal.key_id, decision.policy.id, status, self.reading.facts.client)
        is_ours = _OURS if outcome is None else _OURS_WHEN_LIMITED
        answer = list(headers)
        for name, _ in answer:
            if is_ours[name]:
                answer = [header for header in answer if not is_ours[header[0]]]
                break
        if outcome is not None:
            answer += limit_headers(decision.limits, outcome)
        answer.append(self.request_id_header)
        return answer

    def release(self) -> None:
        """The request is over: what it held of limits on requests in flight is free again."""
        outcome = self.decision.outcome
        if outcome is not None and outcome.held is not None:
            outcome.held.release()

    async def settle(self) -> bool:
        """When the app is done: sends a refusal it left unanswered; whether a refusal is what the client got."""
        if self.denial is not None and not self.has_started:
            await self._replace(self.denial)
        return self.is_replaced

    async def _replace(self, denial: Deny) -> None:
        """Send the gateway's own answer instead of the app's."""
        self.has_started = self.is_replaced = True
        gate = self.gate
        metadata_url = gate.metadata_url(self.server_scope, self.reading)
        outcome = deny_outcome(denial, gate.realm, self.request_id, metadata_url)
        decision = self.decision
        gate.usage.note(decision.principal.key_id, decision.policy.id, outcome.status, self.reading.facts.client)
        if self.server_scope["type"] == "websocket":
            await refuse_websocket(self.server_scope, self.server_send, outcome, denial.reason)
        else:
            await send_outcome(self.server_send, outcome)

    def too_large(self) -> Deny:
        """The refusal of a body over the cap. What the request took of its limits is told all the same."""
        decision = self.decision
        return Deny(
            Reason.BODY_TOO_LARGE, decision.policy, decision.principal, limits=decision.limits, outcome=decision.outcome
        )

    def cap_body(self, receive: Receive, max_body_bytes: int) -> Receive:
        """`receive` for a body of undeclared length: past the cap it raises BodyTooLarge and the answer is 413."""
        received_bytes = 0

        async def capped_receive() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > max_body_bytes:
                self.denial = self.too_large()
                raise BodyTooLarge(f"the request body is larger than {max_body_bytes} bytes")
            return message

        return capped_receive
