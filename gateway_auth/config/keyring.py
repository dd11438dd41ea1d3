"""The secrets the configuration refers to, fetched and weighed, each by itself. None is ever repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from gateway_auth.config.problems import problem
from gateway_auth.config.secret import Secret, check_encryption_key, check_pepper, check_reference, resolve
from gateway_auth.config.shape import Path as KeyPath
from gateway_auth.errors import Problem


class Keyring(Struct):
    """What was found. `pepper` is None only where a problem says why."""

    pepper: Secret | None
    previous_peppers: tuple[Secret, ...]
    encryption_key: Secret | None


def open_keyring(written: object, environ: Mapping[str, str], folder: Path) -> tuple[Keyring, list[Problem]]:
    """The secrets of the section as `written`. What is no reference the schema refuses."""
    problems: list[Problem] = []
    section = written if isinstance(written, dict) else {}
    previous = section.get("previous_peppers")

    def fetch(reference: object, path: KeyPath, check: Callable[[Secret], Secret]) -> Secret | None:
        if not _is_reference(reference):
            return None
        try:
            return check(resolve(str(reference), environ, folder))
        except ValueError as error:
            problems.append(problem(path, str(error)))
            return None

    pepper = fetch(section.get("pepper"), ("secrets", "pepper"), check_pepper)
    older = [
        fetch(reference, ("secrets", "previous_peppers", position), check_pepper)
        for position, reference in enumerate(previous if isinstance(previous, list) else ())
    ]
    key = fetch(section.get("encryption_key"), ("secrets", "encryption_key"), check_encryption_key)
    return Keyring(pepper, tuple(secret for secret in older if secret is not None), key), problems


def _is_reference(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(check_reference(value))
    except ValueError:
        return False
