"""The listener's certificate and key: read once, checked against each other, handed on as checked. Opens no port."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from gateway_auth.config.configuration import TlsSettings
from gateway_auth.config.secret import resolve
from gateway_auth.errors import ConfigError, Problem

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

T = TypeVar("T")

MAX_PEM_BYTES = 1024 * 1024
MIN_RSA_BITS = 2048
_AS_PEM = "PEM begins with -----BEGIN …-----; convert others with openssl"


class TlsFiles(Struct, frozen=True, kw_only=True):
    """What was read and found to fit together, as PEM. `ends` is when the server's certificate is over."""

    certificate: bytes
    key: bytes
    client_ca: bytes | None
    ends: datetime
    names: tuple[str, ...]

    def __repr__(self) -> str:
        return f"TlsFiles(names={self.names!r}, ends={self.ends:%Y-%m-%d})"


class _Unusable(Exception):
    """One file cannot be used, for the reason given."""


def read_tls(settings: TlsSettings, now: datetime | None = None) -> TlsFiles:
    """The files `settings` names. Raises ConfigError with everything that is wrong with them."""
    try:
        import cryptography  # noqa: F401  # what the checks are made with
    except ImportError:
        advice = "needs the package cryptography: pip install cryptography"
        raise ConfigError([Problem("gateway.tls", advice)]) from None
    problems: list[Problem] = []
    chain = _tried("gateway.tls.certificate", problems, lambda: _certificates(settings.certificate_file))
    key = _tried("gateway.tls.key", problems, lambda: _key(settings.key_file))
    ca_file = settings.client_ca_file
    authorities = _tried("gateway.tls.client_ca", problems, lambda: _certificates(ca_file)) if ca_file else None
    if chain:
        problems += _about_time(chain[0], now or datetime.now(UTC))
    if chain and key is not None and chain[0].public_key() != key.public_key():
        message = "is not the key of the certificate: were both files replaced, and is the server's certificate first?"
        problems.append(Problem("gateway.tls.key", message))
    if problems or not chain or key is None:
        raise ConfigError(problems)
    return TlsFiles(
        certificate=_pem(chain),
        key=_key_pem(key),
        client_ca=_pem(authorities) if authorities else None,
        ends=chain[0].not_valid_after_utc,
        names=_names(chain[0]),
    )


def _tried(path: str, problems: list[Problem], read: Callable[[], T]) -> T | None:
    try:
        return read()
    except _Unusable as error:
        problems.append(Problem(path, str(error)))
        return None


def _certificates(file: str) -> list[Certificate]:
    from cryptography.x509 import Version, load_pem_x509_certificates

    try:
        with open(file, "rb") as opened:
            content = opened.read(MAX_PEM_BYTES + 1)
    except OSError as error:
        raise _Unusable(f"cannot read {file}: {error.strerror}") from None
    if len(content) > MAX_PEM_BYTES:
        raise _Unusable(f"{file} is longer than {MAX_PEM_BYTES} bytes")
    try:
        found = load_pem_x509_certificates(content)
        for certificate in found:
            certificate.public_key()
    except Exception:  # noqa: BLE001  # whatever is wrong with it, it is no certificate
        raise _Unusable(f"{file} holds no certificate in PEM; {_AS_PEM}") from None
    if any(certificate.version is not Version.v3 for certificate in found):
        raise _Unusable(f"{file} holds a certificate older than X.509 version 3, which TLS libraries refuse")
    return found


def _key(file: str) -> PrivateKeyTypes:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        # By the rule of every secret file: not readable by everybody, not writable by others.
        content = resolve(f"file:{file}", {}, Path("/")).reveal()
    except ValueError as error:
        raise _Unusable(str(error)) from None
    try:
        key = load_pem_private_key(content, password=None)
    except TypeError:
        advice = f"store it as it is, for its owner alone: openssl pkey -in {file} -out … && chmod 600 …"
        raise _Unusable(f"{file} is encrypted, and nobody could enter its password at start; {advice}") from None
    except Exception:  # noqa: BLE001  # whatever is wrong with it, it is no key
        raise _Unusable(f"{file} holds no private key in PEM; {_AS_PEM}") from None
    _refuse_kind(key, file)
    return key


def _refuse_kind(key: PrivateKeyTypes, file: str) -> None:
    """The server's TLS library would end the process over a key it does not know."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    match key:
        case rsa.RSAPrivateKey() if key.key_size >= MIN_RSA_BITS:
            return
        case rsa.RSAPrivateKey():
            raise _Unusable(f"{file} is an RSA key of {key.key_size} bits; {MIN_RSA_BITS} are the least")
        case ec.EllipticCurvePrivateKey(curve=ec.SECP256R1() | ec.SECP384R1()) | ed25519.Ed25519PrivateKey():
            return
    raise _Unusable(f"{file} is neither an RSA key, nor one on P-256 or P-384, nor Ed25519; make one of these")


def _about_time(certificate: Certificate, now: datetime) -> list[Problem]:
    ends, begins = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    if now > ends:
        return [Problem("gateway.tls.certificate", f"expired on {ends:%Y-%m-%d}; renew it")]
    if now < begins:
        return [Problem("gateway.tls.certificate", f"is not valid before {begins:%Y-%m-%d %H:%M} UTC; check the clock")]
    return []


def _names(certificate: Certificate) -> tuple[str, ...]:
    from cryptography.x509 import DNSName, ExtensionNotFound, IPAddress, SubjectAlternativeName

    try:
        names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except (ExtensionNotFound, ValueError):
        return ()
    return (*names.get_values_for_type(DNSName), *map(str, names.get_values_for_type(IPAddress)))


def _pem(certificates: list[Certificate]) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _key_pem(key: PrivateKeyTypes) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class MemoryFile:
    """Bytes that can be opened by path, by this process and those it forks, and lie on no disk.

    So workers read exactly what was checked, also when one is replaced while somebody is renewing the files.
    """

    def __init__(self, content: bytes) -> None:
        if sys.platform == "linux":
            self._file = os.fdopen(os.memfd_create("tls", os.MFD_CLOEXEC), "r+b", buffering=0)
        else:
            self._file = tempfile.TemporaryFile("r+b", buffering=0)  # noqa: SIM115  # kept open
        self._file.write(content)
        self._file.seek(0)

    @property
    def path(self) -> str:
        """Where it is, as long as it is kept."""
        return f"/dev/fd/{self._file.fileno()}"

    def close(self) -> None:
        """Give it up; who has opened it still has it."""
        self._file.close()
