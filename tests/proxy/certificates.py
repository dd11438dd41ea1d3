"""Certificates for TLS towards upstreams: an authority, and what it issues to whom, in PEM files of a folder."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM
PASSWORD = b"open sesame"


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


class Authority:
    """`ca_file` is what believes it."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign(name, self._key, None, days=1)
        self.ca_file = folder / f"{name}.pem"
        self.ca_file.write_bytes(self._certificate.public_bytes(PEM))

    def issue(self, *names: str, days: int = 1, password: bytes | None = None) -> tuple[Path, Path]:
        """Certificate and key for these names; of negative `days` it has ended."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(names[0], key, names, days)
        stem = f"{self._name}-{names[0].replace('*', 'any')}-{days}"
        certificate_file, key_file = self._folder / f"{stem}.pem", self._folder / f"{stem}.key"
        hiding = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        certificate_file.write_bytes(certificate.public_bytes(PEM))
        key_file.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, hiding))
        key_file.chmod(0o600)
        return certificate_file, key_file

    def server(self, *names: str, days: int = 1, asks_for: Authority | None = None) -> ssl.SSLContext:
        """What a server with such a certificate listens with; `asks_for` a client's certificate of that authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(*names, days=days))
        context.set_alpn_protocols(["h2", "http/1.1"])
        if asks_for is not None:
            context.load_verify_locations(asks_for.ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _sign(
        self, name: str, key: ec.EllipticCurvePrivateKey, names: tuple[str, ...] | None, days: int
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(self._name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=30))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
        )
        if names is not None:
            alternatives = x509.SubjectAlternativeName([_alternative(text) for text in names])
            builder = builder.add_extension(alternatives, critical=False)
        return builder.sign(self._key, hashes.SHA256())
