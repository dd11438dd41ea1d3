"""The third way in: a proxy that asks the gateway about every request and forwards it itself.

A small one of the tests' own, which does all a proxy has to do and no more, so that every decision table can be put
through forward-auth; and the real ones of deploy/.
"""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from gateway_auth.config import load
from gateway_auth.core import headers as h
from gateway_auth.core.headers import HeaderTable
from tests.conformance import toml
from tests.conformance.edges import Edge, free_port, process, wait_until_ready
from tests.conformance.record import Record
from tests.conformance.upstream import Upstream, reading
from tests.conformance.wire import Answer, ask, request
from tests.conformance.workers import PROGRAM
from tests.conformance.world import TRUSTED, World
from tests.deploy import proxies

ASKED = "forward-auth"
ASKS_FROM = "127.10.0.99"
"""A trusted proxy's address."""
_TRUSTED_PREFIX = TRUSTED[0].removesuffix("0.0/16")
_NOT_FORWARDED = frozenset(("connection", "content-length", "transfer-encoding", "expect", "forwarded"))


class AskingProxy:
    """Threads and plain sockets. Asks with X-Original-*, as nginx does, and forwards what may pass."""

    def __init__(self, gateway: int, application: int, kinds: HeaderTable, address_header: str) -> None:
        self._gateway = gateway
        self._application = application
        self._kinds = kinds
        self._address_header = address_header
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> AskingProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, (address, _) = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client, address), daemon=True).start()

    def _serve(self, client: socket.socket, address: str) -> None:
        with client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                for sent in reading(client):
                    record = replace(sent, target=_origin_form(sent.target))
                    client.sendall(_raw(self._handle(record, address), record.method))
            except (ValueError, UnicodeDecodeError):
                client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            except OSError:
                return

    def _handle(self, record: Record, address: str) -> Answer:
        told = [
            *self._about_client(record, address),
            ("X-Original-Method", record.method.encode()),
            ("X-Original-URI", record.target),
        ]
        told_anew = {*_NOT_FORWARDED, self._address_header, "x-forwarded-proto"}
        kept = [(name, value) for name, value in _fields(record) if name.lower() not in told_anew]
        answer = ask(self._gateway, request("GET", "/.gateway/authorize", [*kept, *told], host=None), source=ASKS_FROM)
        return answer if answer.status != 200 else self._forward(record, answer)

    def _about_client(self, record: Record, address: str) -> list[tuple[str, bytes]]:
        """What a trusted client says is continued; what others say is dropped."""
        is_trusted = address.startswith(_TRUSTED_PREFIX)
        before = [value.encode("latin-1") for value in record.values(self._address_header)] if is_trusted else []
        me = f"for={address}" if self._address_header == "forwarded" else address
        protos = record.values("x-forwarded-proto") if is_trusted else []
        told = [(self._address_header, b", ".join([*filter(None, before), me.encode()]))]
        return [*told, *(("X-Forwarded-Proto", proto.encode()) for proto in protos or ["http"])]

    def _forward(self, record: Record, answer: Answer) -> Answer:
        fields = [
            (name, value)
            for name, value in _fields(record)
            if self._kinds[name.lower().encode("latin-1")] >= h.PLAIN and name.lower() not in _NOT_FORWARDED
        ]
        fields += [
            (name, value.encode("latin-1"))
            for name, value in answer.fields
            if name.startswith("x-auth-")
            or name == "x-request-id"
            or self._kinds[name.encode()] in (h.API_KEY, h.AUTHORIZATION)
        ]
        raw = request(record.method, record.target, fields, record.body, host=None)
        behind = ask(self._application, raw, method=record.method)
        ours = [pair for pair in answer.fields if pair[0] in ("x-request-id", "ratelimit", "ratelimit-policy")]
        return Answer(behind.status, (*behind.fields, *ours), behind.body)


def _fields(record: Record) -> list[tuple[str, bytes]]:
    return [(name.decode("latin-1"), value) for name, value in record.fields]


def _origin_form(target: bytes) -> bytes:
    """Of a target in absolute form, path and query (RFC 9112 section 3.2.2)."""
    scheme, found, rest = target.partition(b"://")
    return b"/" + rest.partition(b"/")[2] if found and scheme in (b"http", b"https") else target


def _raw(answer: Answer, method: str) -> bytes:
    head = [f"HTTP/1.1 {answer.status} Told".encode("latin-1")]
    head += [f"{name}: {value}".encode("latin-1") for name, value in answer.fields if name != "transfer-encoding"]
    return b"\r\n".join(head) + b"\r\n\r\n" + (b"" if method == "HEAD" else answer.body)


@contextmanager
def asked(world: World, name: str = ASKED, upstream: Upstream | None = None) -> Iterator[Edge]:
    """A gateway that only answers questions, and a proxy in front: the tests' own, or a real one by its name."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=world.folder))
    with ExitStack() as stack:
        behind = stack.enter_context(upstream or Upstream())
        port, log = free_port(), folder / "gateway.log"
        config = _config(world, folder, "nginx" if name == ASKED else name, port)
        words = [PROGRAM, "serve", "-c", str(config), "--log-level", "debug"]
        started = stack.enter_context(process(words, dict(os.environ), log))
        wait_until_ready(port, started, log)
        if name == ASKED:
            rules = load(config).rules
            own = AskingProxy(port, behind.port, rules.headers, rules.client_address_style)
            listen = stack.enter_context(own).port
        else:
            listen = free_port()
            real = proxies.running(name, folder, listen=listen, gateway=port, application=behind.port)
            stack.enter_context(real)
        yield Edge(name, world, listen, log, behind)


def _config(world: World, folder: Path, proxy: str, port: int) -> Path:
    gateway: dict[str, Any] = {
        **world.tables["gateway"],
        "trusted_proxies": [*TRUSTED, "127.0.0.1/32"],
        "listen": f"127.0.0.1:{port}",
        "admin_listen": f"127.0.0.1:{free_port()}",
    }
    path = folder / "gateway.toml"
    path.write_text(toml.dump({**world.tables, "gateway": gateway, "forward_auth": {"proxy": proxy}}), "utf-8")
    return path
