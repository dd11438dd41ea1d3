"""What fits the schema and still cannot be meant of an issuer: key sources and algorithms that exclude each other."""

from __future__ import annotations

import os
from pathlib import Path

from gateway_auth.config.examine import Piece
from gateway_auth.config.problems import problem
from gateway_auth.config.schema_issuers import IssuerTable, is_discovered
from gateway_auth.errors import Problem

SOURCES = ("jwks_url", "jwks_file", "secret")


def find_issuer_contradictions(issuers: list[Piece[IssuerTable]], folder: Path) -> list[Problem]:
    """Every contradiction within and among the issuers that fit the schema."""
    problems = [*_repeated(issuers, "id"), *_repeated(issuers, "issuer")]
    for piece in issuers:
        if piece.table is not None and piece.has("discovery", "introspection", "algorithms", *SOURCES):
            problems += [*_sources(piece, piece.table), *_algorithms(piece, piece.table)]
            problems += _missing_file(piece, piece.table, folder)
    return problems


def _repeated(issuers: list[Piece[IssuerTable]], key: str) -> list[Problem]:
    """Two tables for one name: which of them a token meets would depend on their order."""
    seen: dict[str, int] = {}
    problems = []
    for piece in issuers:
        if piece.table is None or not piece.has(key):
            continue
        position, value = int(piece.path[1]), getattr(piece.table, key)
        first = seen.setdefault(value, position)
        if first != position:
            problems.append(problem((*piece.path, key), f'"{value}" is the {key} of issuers[{first}] already'))
    return problems


def _sources(piece: Piece[IssuerTable], table: IssuerTable) -> list[Problem]:
    named = [key for key in SOURCES if getattr(table, key) is not None]
    if table.discovery:
        named.insert(0, "discovery")
    if len(named) > 1:
        return [problem((*piece.path, named[1]), f"there is {named[0]} already; keys come from one place")]
    if not named and not is_discovered(table) and table.introspection is None:
        message = "is false and nothing else says where keys are; give jwks_url, jwks_file, secret or introspection"
        return [problem((*piece.path, "discovery"), message)]
    return []


def _algorithms(piece: Piece[IssuerTable], table: IssuerTable) -> list[Problem]:
    """One kind of key each: a public key must never come to serve as an HMAC secret (RFC 8725 section 3.1)."""
    is_shared = table.secret is not None
    for position, algorithm in enumerate(table.algorithms):
        if algorithm.startswith("HS") and not is_shared:
            message = f'"{algorithm}" needs a shared secret; give secret = "env:NAME" or remove it'
            return [problem((*piece.path, "algorithms", position), message)]
        if is_shared and not algorithm.startswith("HS"):
            message = f'"{algorithm}" is not verified with a shared secret; write for example algorithms = ["HS256"]'
            return [problem((*piece.path, "algorithms", position), message)]
    return []


def _missing_file(piece: Piece[IssuerTable], table: IssuerTable, folder: Path) -> list[Problem]:
    if table.jwks_file is None or os.access(folder / table.jwks_file, os.R_OK):
        return []
    return [problem((*piece.path, "jwks_file"), "cannot be read; put the issuer's key set (JWKS) there")]
