"""Somebody who takes new keys over HTTP: verifies the signature as Standard Webhooks say, and answers as told."""

from __future__ import annotations

import hmac
import json
import ssl
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.cli.command import Workspace

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class KeyReceiver(ThreadingHTTPServer):
    """`taken` are the bodies whose signature held. `status` 0 answers nothing until `released`."""

    daemon_threads = True

    def __init__(self, status: int, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.location: str | None = None
        self.taken: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.before_answering: Callable[[], object] = lambda: None
        self.arrived, self.released = threading.Event(), threading.Event()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_port}/keys"
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    def handle_error(self, *_: object) -> None:
        """A client that breaks off is part of these tests."""


class _Handler(BaseHTTPRequestHandler):
    server: KeyReceiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        event_id, sent_at = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        signed = f"{event_id}.{sent_at}.".encode() + body
        expected = hmac.digest(b64decode(SECRET.removeprefix("whsec_")), signed, sha256)
        if self.headers["webhook-signature"] == "v1," + b64encode(expected).decode():
            self.server.taken.append(json.loads(body))
            self.server.ids.append(event_id)
        self.server.before_answering()
        self.server.arrived.set()
        if not self.server.status:
            self.server.released.wait(20)
            return
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("location", self.server.location)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def receiving(status: int = 204, tls: ssl.SSLContext | None = None) -> Iterator[KeyReceiver]:
    """A receiver that serves."""
    with KeyReceiver(status, tls) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield receiver
        finally:
            receiver.released.set()
            receiver.shutdown()
            thread.join()


def name_receiver(workspace: Workspace, url: str) -> None:
    """In the configuration."""
    file = workspace.directory / "secrets" / "handover"
    file.write_text(SECRET)
    file.chmod(0o600)
    text = workspace.config.read_text("utf-8")
    workspace.config.write_text(f'{text}\n[handover]\nurl = "{url}"\nsecret = "file:secrets/handover"\n', "utf-8")
