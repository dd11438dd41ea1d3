"""A router as careless as the worst upstream: it decodes, collapses, folds and lets headers reroute.

Whatever spelling of a path could reach a handler anywhere reaches it here.
"""

from __future__ import annotations

import posixpath
from urllib.parse import unquote

from tests.conformance.record import Record

_METHOD_OVERRIDES = ("x-http-method-override", "x-http-method", "x-method-override")
_TARGET_OVERRIDES = ("x-original-url", "x-rewrite-url")


def handlers(record: Record) -> set[str]:
    """Every handler some reading of the request ends at."""
    targets = [record.target.decode("latin-1"), *(v for name in _TARGET_OVERRIDES for v in record.values(name))]
    # A framework that builds the URL from Host and path finds in it what an odd Host smuggled.
    targets += [value + record.target.decode("latin-1") for value in record.values("host") if "/" in value]
    if record.path is not None:
        targets.append(record.path)
    methods = {record.method.upper(), *(v.upper() for name in _METHOD_OVERRIDES for v in record.values(name))}
    return {handler(method, reading) for method in methods for target in targets for reading in readings(target)}


def readings(target: str) -> set[str]:
    """The paths a target may be taken for."""
    found: set[str] = set()
    for text in (target, target.partition("?")[0], target.partition("#")[0]):
        path = text.partition("://")[2] if "://" in text else text
        path = path[path.find("/") :] if "/" in path else "/"
        found.update((_collapse(path), _collapse(_without_parameters(path))))
    return found


def handler(method: str, path: str) -> str:
    """The name of the handler for a collapsed path."""
    if "/api/admin" in path:
        return "admin"
    if path.startswith("/api/items"):
        return "items:delete" if method == "DELETE" else "items"
    return "public" if path.startswith("/public") else "other"


def _collapse(path: str) -> str:
    for _ in range(5):
        # Overlong and broken UTF-8 decodes to characters nobody asked for; those are dropped, as C strings do.
        path = unquote(path, errors="ignore").replace("\\", "/").replace("\0", "")
    path = path.partition("?")[0].replace(" ", "")
    while "//" in path:
        path = path.replace("//", "/")
    return posixpath.normpath(path).lower().replace("а", "a")  # noqa: RUF001 - a Cyrillic letter folded to its look-alike


def _without_parameters(path: str) -> str:
    decoded = unquote(path)
    return "/".join(segment.partition(";")[0] for segment in decoded.split("/"))
