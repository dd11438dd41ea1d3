"""A partner that reports leaked secrets: keys it publishes, reports it signs."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.types import ASGIApp

from tests.asgi.raw import Answer, call, http_scope

PATH = "/.gateway/disclosure"
URL = "https://github.com/octocat/hello/blob/1f0c/settings.py"


class Partner:
    """Signs with a key of its own. `key_id` is what it is published under."""

    def __init__(self, key_id: str = "90a421169f0a406205f1563a953312f0be898d3c", curve: Any = None) -> None:
        self.key_id = key_id
        self.private = ec.generate_private_key(curve or ec.SECP256R1())

    @property
    def published(self) -> dict[str, Any]:
        """Its key as GitHub publishes keys."""
        pem = self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return {"key_identifier": self.key_id, "key": pem.decode(), "is_current": True}

    def sign(self, body: bytes) -> str:
        """As the header has it."""
        return b64encode(self.private.sign(body, ec.ECDSA(SHA256()))).decode()

    def headers(self, body: bytes) -> list[tuple[str, str]]:
        """Those of a report."""
        return [("Github-Public-Key-Identifier", self.key_id), ("Github-Public-Key-Signature", self.sign(body))]

    async def report(self, app: ASGIApp, *tokens: str, **changes: Any) -> Answer:
        """Report these secrets."""
        body = a_report(*tokens)
        return await call(app, http_scope("POST", PATH, self.headers(body), **changes), body)


def keys_document(*partners: Partner) -> bytes:
    """What is published."""
    return json.dumps({"public_keys": [partner.published for partner in partners]}).encode()


def a_report(*tokens: str, url: object = URL, source: object = "content") -> bytes:
    """The body of a report."""
    return json.dumps(
        [{"token": token, "type": "acme_api_key", "url": url, "source": source} for token in tokens]
    ).encode()


def labels(answer: Answer) -> list[str]:
    """What is said of each token."""
    assert answer.status == 200, answer.body
    return [one["label"] for one in json.loads(answer.body)]
