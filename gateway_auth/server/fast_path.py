"""The fast path of `serve`: a request that nothing has to be waited for, from its last byte to the upstream.

It judges nothing itself: the gate and the proxy are those of every other request, and what is not plain goes their way,
in a task, from where it is.
"""

from __future__ import annotations

import logging
from functools import partial

from gateway_auth.asgi.exchange import Exchange
from gateway_auth.asgi.fields import Fields
from gateway_auth.asgi.gate import Begun, Gate
from gateway_auth.asgi.middleware import GatewayAuth
from gateway_auth.asgi.passage import child_scope
from gateway_auth.asgi.types import Receive, Scope, Send
from gateway_auth.core.decision import Allow
from gateway_auth.core.principal import Principal
from gateway_auth.core.routes import RESERVED_PREFIX
from gateway_auth.forward_auth import ForwardAuth
from gateway_auth.forward_auth.answer import Answer, permission
from gateway_auth.forward_auth.original import Original
from gateway_auth.proxy import ProxyApp
from gateway_auth.proxy.failures import ExchangeFailed
from gateway_auth.proxy.quick import QuickExchange
from gateway_auth.proxy.request import RequestHead
from gateway_auth.proxy.response import Field
from gateway_auth.proxy.template import Template, template_of
from gateway_auth.server.http1.cycle import Cycle

MAX_TEMPLATES = 4
"""For each sequence of fields that comes again: one for each route it is used on."""


logger = logging.getLogger("gateway_auth.serve")


class FastPath:
    """For one worker. `judge` is around `proxy`, and judges what proxies ask at `asked`."""

    def __init__(self, judge: GatewayAuth, proxy: ProxyApp, asked: ForwardAuth) -> None:
        self._judge = judge
        self._proxy = proxy
        self._asked = asked

    def __call__(self, cycle: Cycle) -> bool:
        """Whether a complete request is on its way, or answered. Else `cycle.app` is what to run, if it is not None."""
        gate = self._judge.open_gate()
        if gate is None or cycle.has_body:
            return False
        if cycle.scope["path"].startswith(RESERVED_PREFIX):
            return self._answer(cycle, gate)
        begun = gate.begin(cycle.scope)
        exchange = _admitted(begun, gate, cycle.scope, cycle.send)
        if exchange is not None and self._start(cycle, exchange):
            return True
        cycle.app = partial(self._judge, begun=begun)
        return False

    def _answer(self, cycle: Cycle, gate: Gate) -> bool:
        """A proxy that asks about a request which may pass."""
        original = self._asked.original(cycle.scope)
        if not isinstance(original, Original):
            return False
        begun = gate.begin(original.scope)
        exchange = _admitted(begun, gate, original.scope, cycle.send)
        if exchange is None:
            answer = Answer(cycle.scope, cycle.send, needs_problem_header=original.needs_problem_header)
            cycle.app = lambda _, receive, _send: self._judge(original.scope, receive, answer.send, begun=begun)
            return False
        gate.passed[exchange.decision.policy.id] += 1
        exchange.release()
        cycle.answer(200, exchange.begin_answer(200, permission(exchange)), b"")
        return True

    def _start(self, cycle: Cycle, exchange: Exchange) -> bool:
        try:
            head = self._head(exchange)
            is_started = self._proxy.start(exchange, head, _Request(cycle, exchange, self._proxy))
            if is_started:
                exchange.gate.passed[exchange.decision.policy.id] += 1
            return is_started
        except ExchangeFailed:
            return False  # It will be met again, where it can be answered.
        except Exception:
            exchange.release()
            raise

    def _head(self, exchange: Exchange) -> RequestHead:
        """What the upstream is sent: written in full, or by what was written for the same fields before."""
        fields = exchange.server_scope["headers"]
        if type(fields) is not Fields:
            return self._proxy.head(child_scope(exchange))
        policy, principal = exchange.decision.policy, exchange.decision.principal
        request_id = exchange.request_id_header[1]
        known: tuple[Principal, Template] | None = fields.notes.get(policy.id)
        if known is not None and known[0] is principal:
            facts, path = exchange.reading.facts, exchange.reading.path
            return known[1].head(facts.method, path.encode(), facts.query, request_id)
        head = self._proxy.head(child_scope(exchange))
        template = template_of(head, request_id)
        if template is not None:
            if len(fields.notes) >= MAX_TEMPLATES:
                fields.notes.clear()
            fields.notes[policy.id] = (principal, template)
        return head


def _admitted(begun: Begun, gate: Gate, scope: Scope, send: Send) -> Exchange | None:
    """An ordinary request that may pass."""
    reading, decision = begun
    if not isinstance(decision, Allow) or reading is None or decision.shadowed is not None:
        return None
    if decision.policy.is_metadata or reading.facts.is_websocket:
        return None
    return Exchange(decision, gate.next_id(), gate, reading, scope, send)


class _Request:
    """One that is on its way: puts what comes back into our answer."""

    __slots__ = ("_cycle", "_exchange", "_proxy")

    def __init__(self, cycle: Cycle, exchange: Exchange, proxy: ProxyApp) -> None:
        self._cycle = cycle
        self._exchange = exchange
        self._proxy = proxy

    def on_answer(self, status: int, fields: list[Field], body: bytes) -> None:
        """All of it has come."""
        try:
            self._exchange.release()
            headers = self._exchange.begin_answer(status, fields)
        except Exception:
            # Called from the upstream's side, where nobody else would tell the client.
            logger.exception("the app failed")
            self._cycle.give_up()
        else:
            self._cycle.answer(status, headers, body)

    def on_more(self, sent: QuickExchange) -> None:
        """It goes on in a task."""
        self._cycle.run(partial(self._go_on, sent))

    async def _go_on(self, sent: QuickExchange, _scope: Scope, receive: Receive, _send: Send) -> None:
        try:
            await self._proxy.go_on(sent, child_scope(self._exchange), receive, self._exchange.send)
        finally:
            self._exchange.release()
