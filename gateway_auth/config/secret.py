"""Secrets of the configuration: always a reference, `env:NAME` or `file:PATH`; never shown."""

from __future__ import annotations

import os
import re
import shlex
import stat
from base64 import b64decode
from collections.abc import Mapping, Sequence
from hmac import compare_digest
from pathlib import Path
from typing import NoReturn

from gateway_auth.config.addresses import check_store_url
from gateway_auth.core.keyhash import explain_weak_pepper
from gateway_auth.core.weak_secrets import explain_weak_secret
from gateway_auth.core.webhook import parse_secret

MAX_SECRET_BYTES = 65536
ENCRYPTION_KEY_BYTES = 32
HOW_TO_REFER = 'write "env:NAME" or "file:PATH"; a secret itself does not belong into the configuration'
HOW_TO_MAKE_PEPPER = (
    'make one with: python -c "import secrets; print(secrets.token_urlsafe(48))", or let `gateway-auth init` do it'
)
HOW_TO_MAKE_WEBHOOK_SECRET = (
    "make one with: python -c \"import base64, secrets; print('whsec_' + "
    'base64.b64encode(secrets.token_bytes(32)).decode())"'
)
HOW_TO_MAKE_KEY = (
    'make one with: python -c "import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())"'
)

_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Group may read (a service account often gets its secrets that way); nobody but the owner may write.
_FORBIDDEN_MODE = stat.S_IWGRP | stat.S_IWOTH | stat.S_IROTH
# What templates put where a secret belongs. Long words only: random text must not hit by chance.
_PLACEHOLDER = re.compile(
    rb"change[-_ ]?(?:me|this|it)|replace[-_ ]?(?:me|this)|your[-_ ]?(?:256|super|own|secret|pepper|key)"
    rb"|placeholder|password|supersecret|not[-_ ]?secret|insert[-_ ]|reallyreally",
    re.IGNORECASE,
)


class Secret:
    """Bytes that no `repr`, format, comparison time or pickle gives away. `reveal()` hands them out."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The secret itself; it must go no further than the primitive that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(Secret)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied into another process")


def check_reference(text: str) -> str:
    """`text` when it refers to a secret. Raises ValueError that does not repeat it: it may be the secret."""
    scheme, separator, rest = text.partition(":")
    if scheme not in ("env", "file") or not separator or not rest.strip() or "\0" in rest:
        raise ValueError(f"is not a reference to a secret; {HOW_TO_REFER}")
    if scheme == "env" and not _ENVIRONMENT_NAME.fullmatch(rest):
        raise ValueError("what follows env: is not the name of an environment variable: letters, digits and _")
    return text


def resolve(reference: str, environ: Mapping[str, str], folder: Path) -> Secret:
    """The secret `reference` refers to. Raises ValueError that says what to do and never holds the secret."""
    scheme, _, rest = check_reference(reference).partition(":")
    if scheme == "env":
        value = environ.get(rest)
        if value is None:
            raise ValueError(f"environment variable {rest} is not set")
        content = value.encode("utf-8", "surrogateescape")
    else:
        content = _read(rest, folder / rest)
    if not content.strip():
        raise ValueError(f"{reference} is empty")
    return Secret(content)


def _read(name: str, path: Path) -> bytes:
    """The file's content without one trailing newline. What was checked is what is read: one descriptor."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ValueError(f"cannot read secret file {name}: {error.strerror}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"secret file {name} is not a regular file")
        if status.st_mode & _FORBIDDEN_MODE:
            mode = stat.S_IMODE(status.st_mode)
            raise ValueError(
                f"secret file {name} is open to others (mode {mode:04o}): chmod 600 {shlex.quote(str(path))}"
            )
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot read secret file {name}: {error.strerror}") from error
    finally:
        os.close(descriptor)
    if len(content) > MAX_SECRET_BYTES:
        raise ValueError(f"secret file {name} is longer than {MAX_SECRET_BYTES} bytes")
    return content.removesuffix(b"\n").removesuffix(b"\r")


def check_private_file(name: str, path: Path) -> None:
    """Raises ValueError unless the file can be read, is not empty, and is not open to others; `name` is as written."""
    if not _read(name, path).strip():
        raise ValueError(f"{name} is empty")


def check_pepper(secret: Secret) -> Secret:
    """The secret when it may serve as a pepper. Raises ValueError."""
    weakness = explain_weak_pepper(secret.reveal())
    if weakness is None and _PLACEHOLDER.search(secret.reveal()):
        weakness = "looks like a placeholder of a template, which others know too"
    if weakness is not None:
        raise ValueError(f"the pepper {weakness}; {HOW_TO_MAKE_PEPPER}")
    return secret


def check_mac_secret(secret: Secret, algorithms: Sequence[str]) -> Secret:
    """The secret when it may verify tokens of the HMAC algorithms among these. Raises ValueError."""
    for algorithm in (name for name in algorithms if name.startswith("HS")):
        weakness = explain_weak_secret(secret.reveal(), algorithm)
        if weakness is None and _PLACEHOLDER.search(secret.reveal()):
            weakness = "looks like a placeholder of a template, which others know too"
        if weakness is not None:
            raise ValueError(f"the secret {weakness}; agree with the issuer on a random one (RFC 8725 section 3.5)")
    return secret


def check_store_address(secret: Secret) -> Secret:
    """The address of a store, without blanks around it. Raises ValueError."""
    try:
        return Secret(check_store_url(secret.reveal().decode().strip()).encode())
    except UnicodeDecodeError:
        raise ValueError("holds what is no text; write an address of a store there") from None
    except ValueError as error:
        raise ValueError(f"refers to an address that {error}") from None


def check_client_secret(secret: Secret) -> Secret:
    """The secret without blanks around it: whatever text the issuer gave out is right. Raises ValueError."""
    stripped = secret.reveal().strip()
    if not stripped.isascii():
        raise ValueError("the client secret must be ASCII; copy it as the issuer shows it")
    return Secret(stripped)


def check_webhook_secret(secret: Secret) -> Secret:
    """The key that `whsec_…` stands for. Raises ValueError."""
    try:
        return Secret(parse_secret(secret.reveal().strip()))
    except ValueError as error:
        raise ValueError(f"{error}; {HOW_TO_MAKE_WEBHOOK_SECRET}") from None


def check_encryption_key(secret: Secret) -> Secret:
    """The decoded key: 32 bytes from base64, in either alphabet, padded or not. Raises ValueError."""
    text = secret.reveal().strip().translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        key = b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except ValueError:
        key = b""
    if len(key) != ENCRYPTION_KEY_BYTES:
        raise ValueError(f"the encryption key must be {ENCRYPTION_KEY_BYTES} bytes in base64; {HOW_TO_MAKE_KEY}")
    if explain_weak_pepper(key) is not None:
        raise ValueError(f"the encryption key repeats itself; {HOW_TO_MAKE_KEY}")
    return Secret(key)
