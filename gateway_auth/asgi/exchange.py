"""One admitted request: what is known of it for whatever runs behind, and the way back for its answer.

The way back adds our headers to the app's answer, or puts a later refusal in its place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from operator import itemgetter

from msgspec import Struct

from gateway_auth.asgi.types import Header, Message, Receive, Send
from gateway_auth.core.decision import Allow, Deny, Reason
from gateway_auth.core.network import Address, format_address
from gateway_auth.core.outcome import deny_outcome, limit_headers
from gateway_auth.core.principal import Principal
from gateway_auth.errors import BodyTooLarge

SCOPE_KEY = "gateway_auth"

_OURS = frozenset((b"x-request-id",))
_OURS_WHEN_LIMITED = frozenset((b"x-request-id", b"ratelimit", b"ratelimit-policy"))

_name_of = itemgetter(0)


async def _nothing() -> None:
    return None


class Exchange(Struct, eq=False):
    """`scope["gateway_auth"]` of an admitted request, and its `send`. Messages of a streamed body pass untouched.

    `denial` is set by what refuses later, inside the app (`requires`, the body cap): whatever the app then answers is
    replaced by the gateway's own answer for it.
    """

    decision: Allow
    request_id: str
    request_id_header: Header
    client: Address | None
    realm: str
    server_send: Send
    denial: Deny | None = None
    has_started: bool = False
    is_replaced: bool = False

    @property
    def principal(self) -> Principal:
        """Whose request it is."""
        return self.decision.principal

    @property
    def upstream(self) -> str | None:
        """The upstream the route names, if it names one."""
        return self.decision.policy.upstream

    @property
    def client_address(self) -> str | None:
        """The client's address as text, None where there is none."""
        return format_address(self.client) if self.client is not None else None

    def send(self, message: Message) -> Awaitable[None]:
        """What the app sends by."""
        kind = message["type"]
        if kind == "http.response.body":
            return _nothing() if self.is_replaced else self.server_send(message)
        if kind == "http.response.start":
            self.has_started = True
            if self.denial is not None:
                self.is_replaced = True
                return self.send_denial(self.denial)
        elif kind != "websocket.accept":
            return _nothing() if self.is_replaced else self.server_send(message)
        answer = dict(message)
        answer["headers"] = self._with_ours(message.get("headers", ()))
        return self.server_send(answer)

    def _with_ours(self, headers: Iterable[Header]) -> list[Header]:
        """Our headers replace the app's of the same name: an upstream must not speak for the gateway."""
        decision = self.decision
        outcome = decision.outcome
        theirs = list(headers)
        ours = _OURS if outcome is None else _OURS_WHEN_LIMITED
        if not ours.isdisjoint(map(_name_of, theirs)):
            theirs = [header for header in theirs if header[0] not in ours]
        if outcome is None:
            return [*theirs, self.request_id_header]
        return [*theirs, *limit_headers(decision.limits, outcome), self.request_id_header]

    async def send_denial(self, denial: Deny) -> None:
        """Send the gateway's own answer instead of the app's."""
        outcome = deny_outcome(denial, self.realm, self.request_id)
        await self.server_send(
            {"type": "http.response.start", "status": outcome.status, "headers": list(outcome.headers)}
        )
        await self.server_send({"type": "http.response.body", "body": outcome.body})

    def cap_body(self, receive: Receive, max_body_bytes: int) -> Receive:
        """`receive` for a body of undeclared length: past the cap it raises BodyTooLarge and the answer is 413."""
        received_bytes = 0

        async def capped_receive() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > max_body_bytes:
                self.denial = Deny(Reason.BODY_TOO_LARGE, self.decision.policy, self.decision.principal)
                raise BodyTooLarge(f"the request body is larger than {max_body_bytes} bytes")
            return message

        return capped_receive
