"""Where the secrets of a configuration come from: a loaded one no longer says. For `doctor` alone; shows none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from gateway_auth.config.keyring import open_keyring
from gateway_auth.config.overlay import apply_environment
from gateway_auth.config.source import read
from gateway_auth.core.keyhash import pepper_id


class SecretsSection(Struct, frozen=True):
    """`files`: those secrets lie in. `pepper_ids`: the names of all peppers, the current one and the previous."""

    files: tuple[Path, ...]
    pepper_ids: frozenset[str]


def read_secrets(config: str) -> SecretsSection:
    """Of a configuration that loads."""
    found = read(config)
    apply_environment(found.tables, os.environ)
    keyring, _ = open_keyring(found.tables, os.environ, found.folder)
    peppers = [keyring.pepper, *keyring.previous_peppers]
    references = [str(reference) for reference in (*_texts(found.tables.get("secrets")), *_of_issuers(found.tables))]
    return SecretsSection(
        tuple(found.folder / text.removeprefix("file:") for text in references if text.startswith("file:")),
        frozenset(pepper_id(pepper.reveal()) for pepper in peppers if pepper is not None),
    )


def _texts(section: object) -> list[object]:
    values = section.values() if isinstance(section, dict) else ()
    return [item for value in values for item in (value if isinstance(value, list) else [value])]


def _of_issuers(tables: Mapping[str, object]) -> list[object]:
    issuers = tables.get("issuers")
    found: list[object] = []
    for issuer in issuers if isinstance(issuers, list) else ():
        table = issuer if isinstance(issuer, dict) else {}
        introspection = table.get("introspection")
        found.append(table.get("secret"))
        found.append(introspection.get("client_secret") if isinstance(introspection, dict) else None)
    return found
