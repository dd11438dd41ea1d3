"""What fits the schema and still cannot be meant: statements of different tables that exclude each other."""

from __future__ import annotations

import os
from pathlib import Path

from gateway_auth.config.contradictions_issuers import SOURCES, find_issuer_contradictions
from gateway_auth.config.contradictions_upstreams import find_upstream_contradictions
from gateway_auth.config.examine import Examined, Piece
from gateway_auth.config.header_names import names_folded
from gateway_auth.config.problems import problem
from gateway_auth.config.schema_issuers import IssuerTable, has_keys
from gateway_auth.config.schema_routes import RouteTable
from gateway_auth.config.schema_webhooks import WebhookTable
from gateway_auth.core.policy import Policy
from gateway_auth.core.routes import find_conflicts
from gateway_auth.errors import Problem


def find_contradictions(examined: Examined, folder: Path) -> list[Problem]:
    """Every contradiction among the pieces that fit the schema."""
    return [
        *_repeated_ids(examined.routes),
        *_repeated_ids(examined.webhooks),
        *_shared_secret(examined),
        *_unreachable(examined.routes),
        *_unverifiable(examined.routes, examined.issuers),
        *_impassable(examined.routes, examined.issuers),
        *find_issuer_contradictions(examined.issuers, folder),
        *find_upstream_contradictions(examined.upstreams, examined.gateway, examined.routes, folder),
        *_header_with_two_meanings(examined),
        *_unaskable(examined),
        *_unprovable(examined, folder),
    ]


def _repeated_ids(named: list[Piece[RouteTable]] | list[Piece[WebhookTable]]) -> list[Problem]:
    seen: dict[str, int] = {}
    problems = []
    for piece in named:
        if piece.table is None:
            continue
        position = int(piece.path[1])
        first = seen.setdefault(piece.table.id, position)
        if first != position:
            message = f'"{piece.table.id}" is the id of {piece.path[0]}[{first}] already'
            problems.append(problem((*piece.path, "id"), message))
    return problems


def _shared_secret(examined: Examined) -> list[Problem]:
    """Whoever receives events could sign keys of their own for whoever takes keys."""
    handover = examined.handover
    if handover is None or handover.table is None or not handover.has("secret"):
        return []
    return [
        problem(("handover", "secret"), f"is that of webhooks[{piece.path[1]}]; give it one of its own")
        for piece in examined.webhooks
        if piece.table is not None and piece.has("secret") and piece.table.secret == handover.table.secret
    ]


def _unreachable(routes: list[Piece[RouteTable]]) -> list[Problem]:
    """Ties and routes that can never be reached. A route whose methods or path were wrong takes no part."""
    policies = [
        (int(piece.path[1]), Policy(id=piece.table.id, path=piece.table.path, methods=_methods(piece.table)))
        for piece in routes
        if piece.table is not None and piece.has("path", "methods")
    ]
    return [problem(("routes", position), message) for position, message in find_conflicts(policies)]


def _methods(route: RouteTable) -> frozenset[str] | None:
    return None if route.methods is None else frozenset(route.methods)


def _unverifiable(routes: list[Piece[RouteTable]], issuers: list[Piece[IssuerTable]]) -> list[Problem]:
    """Routes that accept tokens although nobody gives any out."""
    if issuers:
        return []
    return [
        problem(
            (*piece.path, "credentials", position),
            f'nothing configured can verify "{kind}"; add [[issuers]] or remove it',
        )
        for piece in routes
        if piece.table is not None
        for position, kind in enumerate(piece.table.credentials or ())
        if kind != "api_key"
    ]


def _impassable(routes: list[Piece[RouteTable]], issuers: list[Piece[IssuerTable]]) -> list[Problem]:
    """Routes for tokens of a kind that no issuer proves: each request would be refused."""
    tables = [piece.table for piece in issuers if piece.has("discovery", "introspection", *SOURCES)]
    if not issuers or len(tables) < len(issuers):
        return []
    verified = {"api_key"}
    for table in tables:
        if table is not None:
            verified |= {"jwt"} if has_keys(table) else set()
            verified |= {"opaque"} if table.introspection is not None else set()
    advice = {"jwt": "says where its keys are", "opaque": "has introspection"}
    return [
        problem((*piece.path, "credentials"), f"nobody could pass: no issuer {advice[piece.table.credentials[0]]}")
        for piece in routes
        if piece.table is not None and piece.table.credentials and verified.isdisjoint(piece.table.credentials)
    ]


def _header_with_two_meanings(examined: Examined) -> list[Problem]:
    gateway, api_keys = examined.gateway.table, examined.api_keys.table
    if gateway is None or api_keys is None:
        return []
    name = gateway.client_address_header.lower()
    if name not in names_folded(api_keys.headers):
        return []
    return [problem(("api_keys", "headers"), f'"{name}" is gateway.client_address_header; one header cannot be both')]


def _unaskable(examined: Examined) -> list[Problem]:
    """Forward-auth that answers nobody, because nobody is believed about the request that is meant."""
    gateway = examined.gateway
    if examined.forward_auth is None or gateway.table is None or not gateway.has("trusted_proxies"):
        return []
    if gateway.table.trusted_proxies:
        return []
    message = 'nobody could ask: gateway.trusted_proxies is empty; list the proxy, for example ["127.0.0.1/32"]'
    return [problem(("forward_auth",), message)]


def _unprovable(examined: Examined, folder: Path) -> list[Problem]:
    """Reports of leaked secrets that nobody could be believed about: the file with the public keys is not there."""
    table = examined.disclosure.table if examined.disclosure is not None else None
    if table is None or table.keys_file is None or _is_readable(folder / table.keys_file):
        return []
    return [problem(("disclosure", "keys_file"), "cannot be read; put the public keys of who reports there")]


def _is_readable(file: Path) -> bool:
    try:
        return os.access(file, os.R_OK)
    except ValueError:  # a NUL in the name
        return False
