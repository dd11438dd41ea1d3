"""The secrets the configuration refers to, fetched and weighed, each by itself. None is ever repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from gateway_auth.config.problems import problem
from gateway_auth.config.secret import (
    Secret,
    check_client_secret,
    check_encryption_key,
    check_mac_secret,
    check_pepper,
    check_reference,
    check_store_address,
    check_webhook_secret,
    resolve,
)
from gateway_auth.config.shape import Path as KeyPath
from gateway_auth.errors import Problem


class IssuerSecrets(Struct):
    """The secrets of one `[[issuers]]` table; None where it names none, or a problem says why."""

    secret: Secret | None = None
    client_secret: Secret | None = None


class Keyring(Struct):
    """What was found. `pepper` is None only where a problem says why. Of issuers and webhooks: in their order."""

    pepper: Secret | None
    previous_peppers: tuple[Secret, ...]
    encryption_key: Secret | None
    store_url: Secret | None = None
    of_issuers: tuple[IssuerSecrets, ...] = ()
    of_webhooks: tuple[Secret | None, ...] = ()
    handover: Secret | None = None


def open_keyring(
    tables: Mapping[str, object], environ: Mapping[str, str], folder: Path
) -> tuple[Keyring, list[Problem]]:
    """The secrets of `tables` as written. What is no reference the schema refuses."""
    finder = _Finder(environ, folder)
    section = _table(tables.get("secrets"))
    keyring = Keyring(
        finder.fetch(section.get("pepper"), ("secrets", "pepper"), check_pepper),
        tuple(
            secret
            for position, reference in enumerate(_items(section.get("previous_peppers")))
            if (secret := finder.fetch(reference, ("secrets", "previous_peppers", position), check_pepper))
        ),
        finder.fetch(section.get("encryption_key"), ("secrets", "encryption_key"), check_encryption_key),
        finder.fetch(_table(tables.get("store")).get("url"), ("store", "url"), check_store_address),
        tuple(
            finder.of_issuer(_table(issuer), ("issuers", position))
            for position, issuer in enumerate(_items(tables.get("issuers")))
        ),
        tuple(
            finder.fetch(_table(webhook).get("secret"), ("webhooks", position, "secret"), check_webhook_secret)
            for position, webhook in enumerate(_items(tables.get("webhooks")))
        ),
        finder.fetch(_table(tables.get("handover")).get("secret"), ("handover", "secret"), check_webhook_secret),
    )
    return keyring, finder.problems


class _Finder:
    """Fetches one secret after the other and notes what is wrong with each."""

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self.problems: list[Problem] = []
        self._environ = environ
        self._folder = folder

    def fetch(self, reference: object, path: KeyPath, check: Callable[[Secret], Secret]) -> Secret | None:
        if not _is_reference(reference):
            return None
        try:
            return check(resolve(str(reference), self._environ, self._folder))
        except ValueError as error:
            self.problems.append(problem(path, str(error)))
            return None

    def of_issuer(self, issuer: Mapping[str, object], path: KeyPath) -> IssuerSecrets:
        algorithms = [name for name in _items(issuer.get("algorithms")) if isinstance(name, str)]
        client_secret = _table(issuer.get("introspection")).get("client_secret")
        return IssuerSecrets(
            self.fetch(issuer.get("secret"), (*path, "secret"), lambda secret: check_mac_secret(secret, algorithms)),
            self.fetch(client_secret, (*path, "introspection", "client_secret"), check_client_secret),
        )


def _table(written: object) -> Mapping[str, object]:
    return written if isinstance(written, dict) else {}


def _items(written: object) -> list[object]:
    return written if isinstance(written, list) else []


def _is_reference(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(check_reference(value))
    except ValueError:
        return False
