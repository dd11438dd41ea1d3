"""What is wrong with a certificate or key is said before anything listens, all at once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from gateway_auth.config.configuration import TlsSettings
from gateway_auth.errors import ConfigError
from gateway_auth.server.tls_files import MemoryFile, read_tls
from tests.conformance.http2 import write_certificate

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def settings(certificate: Path, key: Path, client_ca: Path | None = None) -> TlsSettings:
    return TlsSettings(
        certificate_file=str(certificate), key_file=str(key), client_ca_file=str(client_ca) if client_ca else None
    )


def problems(found: TlsSettings, now: datetime | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_tls(found, now)
    return [str(problem) for problem in caught.value.problems]


def write_key(path: Path, key: PrivateKey, form: PrivateFormat, how: KeySerializationEncryption) -> Path:
    path.write_bytes(key.private_bytes(Encoding.PEM, form, how))
    path.chmod(0o600)
    return path


def test_what_fits_together_is_told_with_its_names_and_end(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path, days=10)
    found = read_tls(settings(certificate, key, certificate))
    assert found.names == ("localhost", "127.0.0.1")
    assert 9 <= (found.ends - datetime.now(UTC)).days <= 10
    assert found.client_ca == certificate.read_bytes() == found.certificate
    assert b"PRIVATE" not in repr(found).encode()


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_any_form_of_key_becomes_the_one_the_server_reads(tmp_path: Path, form: PrivateFormat) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    certificate, key = write_certificate(tmp_path)
    loaded = load_pem_private_key(key.read_bytes(), None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    write_key(key, loaded, form, NoEncryption())
    assert read_tls(settings(certificate, key)).key.startswith(b"-----BEGIN PRIVATE KEY-----")


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_bytes(b"-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n")
    found = problems(settings(rubbish, tmp_path / "absent.key", tmp_path / "absent.pem"))
    assert found == [
        f"gateway.tls.certificate: {rubbish} holds no certificate in PEM; "
        "PEM begins with -----BEGIN …-----; convert others with openssl",
        f"gateway.tls.key: cannot read secret file {tmp_path}/absent.key: No such file or directory",
        f"gateway.tls.client_ca: cannot read {tmp_path}/absent.pem: No such file or directory",
    ]


def test_a_key_of_another_certificate(tmp_path: Path) -> None:
    certificate, _ = write_certificate(tmp_path, "one")
    _, key = write_certificate(tmp_path, "two")
    (found,) = problems(settings(certificate, key))
    assert found.startswith("gateway.tls.key: is not the key of the certificate")


@pytest.mark.parametrize(("year", "words"), [(2000, "is not valid before"), (2100, "expired on")])
def test_a_certificate_of_another_time(tmp_path: Path, year: int, words: str) -> None:
    certificate, key = write_certificate(tmp_path)
    (found,) = problems(settings(certificate, key), datetime(year, 1, 1, tzinfo=UTC))
    assert found.startswith(f"gateway.tls.certificate: {words}")


def test_an_encrypted_key_a_readable_one_and_one_nobody_speaks(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    short = rsa.generate_private_key(65537, 1024)
    encrypted = write_key(tmp_path / "encrypted", short, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    weak = write_key(tmp_path / "weak", short, PrivateFormat.PKCS8, NoEncryption())
    curve = write_key(tmp_path / "curve", ec.generate_private_key(ec.SECP521R1()), PrivateFormat.PKCS8, NoEncryption())
    key.chmod(0o644)
    for file, words in (
        (encrypted, "is encrypted"),
        (weak, "an RSA key of 1024 bits"),
        (curve, "neither an RSA key"),
        (key, "is open to others (mode 0644): chmod 600"),
        (certificate, "holds no private key in PEM"),
    ):
        file.chmod(0o600) if file == certificate else None
        (found,) = problems(settings(certificate, file))
        assert found.startswith("gateway.tls.key: ")
        assert words in found
        assert "secret\n" not in found


def test_what_lies_in_memory_can_be_opened_by_path_again_and_again() -> None:
    file = MemoryFile(b"content")
    for _ in range(2):
        assert Path(file.path).read_bytes() == b"content"
    file.close()
