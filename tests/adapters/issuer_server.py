"""An issuer on loopback that can be as slow, broken or hostile as an issuer can be, over plain HTTP or TLS."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import json
import ssl
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from tests.proxy.upstreams import Script, Upstream, Wire

PrivateKey = ec.EllipticCurvePrivateKey


# -- documents -----------------------------------------------------------------------------------------------------


def number(value: int, width: int = 0) -> str:
    """An integer as JWKs spell it (RFC 7518 section 2)."""
    raw = value.to_bytes(width or (value.bit_length() + 7) // 8)
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


@cache
def a_private_key(name: str) -> PrivateKey:
    """The P-256 key of that name, the same for the whole run."""
    return ec.generate_private_key(ec.SECP256R1())


def a_jwk(name: str, **members: Any) -> dict[str, Any]:
    """The public key of that name, with `kid`; members are added or, where None, left out."""
    public = a_private_key(name).public_key().public_numbers()
    key = {"kty": "EC", "crv": "P-256", "kid": name, "alg": "ES256", "use": "sig"}
    key |= {"x": number(public.x, 32), "y": number(public.y, 32)}
    return {member: value for member, value in (key | members).items() if value is not None}


@cache
def a_small_rsa_modulus() -> int:
    return rsa.generate_private_key(65537, 1024).public_key().public_numbers().n


def jwks(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


# -- answers -------------------------------------------------------------------------------------------------------


def answer(body: bytes, *, status: int = 200, content_type: str | None = "application/json", more: str = "") -> bytes:
    """A complete answer. `more` are further header lines, each with its line end."""
    kind = f"Content-Type: {content_type}\r\n" if content_type is not None else ""
    return f"HTTP/1.1 {status} X\r\n{kind}Content-Length: {len(body)}\r\n{more}\r\n".encode() + body


def redirect(status: int, location: str, body: bytes = b"") -> bytes:
    return answer(body, status=status, more=f"Location: {location}\r\n")


def bomb(body: bytes = b" " * (64 << 20)) -> bytes:
    """64 MiB in 64 KiB."""
    return answer(gzip.compress(body, 9), more="Content-Encoding: gzip\r\n")


async def silence(wire: Wire) -> None:
    """No answer at all."""
    await wire.closed()


def dripping(head: bytes, drop: bytes) -> Script:
    """A head, then a byte now and then, for as long as anybody listens: no single read takes long."""

    async def script(wire: Wire) -> None:
        await wire.play(head)
        while True:
            await wire.play(drop)
            await asyncio.sleep(0.01)

    return script


@dataclass
class Endless:
    """A body of 100 MB, as fast as it is taken. `sent` counts the bytes."""

    head: bytes
    block: bytes = b" " * 65536
    sent: int = 0

    async def __call__(self, wire: Wire) -> None:
        await wire.play(self.head)
        while self.sent < 100_000_000:
            await wire.play(self.block)
            self.sent += len(self.block)


def broken_off(data: bytes, *, by_reset: bool) -> Script:
    """Some bytes, and then the end."""

    async def script(wire: Wire) -> None:
        await wire.play(data)
        if by_reset:
            await asyncio.sleep(0.01)
            wire.reset()

    return script


# -- the server ----------------------------------------------------------------------------------------------------

Page = bytes | Script
NOT_FOUND = answer(b"{}", status=404)


class IssuerServer(Upstream):
    """Serves `pages` by path, one request per connection; everything else is not found. `asked` are the paths."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(self._serve)
        self.pages: dict[str, Page] = {}
        self.asked: list[str] = []
        self._tls = tls

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, limit=1 << 20, ssl=self._tls)
        scheme = "http" if self._tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def publish(self, *keys: object) -> None:
        """Serve these as `/jwks`."""
        self.pages["/jwks"] = answer(jwks(*keys))

    async def _serve(self, wire: Wire) -> None:
        seen = await wire.read_request()
        path = seen.line.split(b" ")[1].decode()
        self.asked.append(path)
        page = self.pages.get(path.partition("?")[0], NOT_FOUND)
        if isinstance(page, bytes):
            await wire.play(page)
        else:
            await page(wire)


# -- TLS -----------------------------------------------------------------------------------------------------------


def certified(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server with a certificate of its own making for 127.0.0.1 needs, and what a client who trusts it does."""
    key = a_private_key("tls")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an issuer of the tests")])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    form = serialization.PrivateFormat.PKCS8
    file = folder / "issuer.pem"
    file.write_bytes(pem + key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=pem.decode())
