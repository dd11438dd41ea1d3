"""What the protected side saw of a request, whichever way in it came, and what must be true of it always."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

IDENTITY = frozenset(
    (
        "x-auth-subject", "x-auth-app", "x-auth-key-id", "x-auth-scopes", "x-auth-roles", "x-auth-method",
        "x-request-id",
    )
)  # fmt: skip
METHODS = ("api_key", "jwt", "opaque", "anonymous")
CREDENTIALS = frozenset(("authorization", "x-api-key", "x-partner-key", "proxy-authorization"))


@dataclass(frozen=True)
class Record:
    """One request. `path` is the decoded path of ASGI and `route` the policy's id; both None behind a proxy."""

    method: str
    target: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    path: str | None = None
    route: str | None = None
    client: str | None = None

    def values(self, name: str) -> list[str]:
        """Every value of a field, in order."""
        return [value.decode("latin-1") for known, value in self.fields if known.decode("latin-1").lower() == name]

    def to_json(self) -> bytes:
        """One line."""
        fields = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in self.fields]
        whole = [self.method, self.target.decode("latin-1"), fields, self.body.decode("latin-1"), self.path, self.route]
        return json.dumps([*whole, self.client]).encode() + b"\n"


def from_json(line: bytes) -> Record:
    """The record of a line."""
    method, target, fields, body, path, route, client = json.loads(line)
    pairs = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in fields)
    return Record(method, target.encode("latin-1"), pairs, body.encode("latin-1"), path, route, client)


def check(record: Record, secrets: list[bytes], *, keeps_credentials: bool = False) -> None:
    """Ours exactly once, and no credential anywhere: in no field, under no name, not in target or body."""
    names = Counter(name.decode("latin-1").lower().replace("_", "-") for name, _ in record.fields)
    repeated = {name: count for name, count in names.items() if name in IDENTITY and count != 1}
    assert not repeated, f"identity came more than once: {repeated}"
    assert names["x-auth-method"] == names["x-request-id"] == 1
    assert record.values("x-auth-method")[0] in METHODS
    unknown = {name for name in names if name.startswith("x-auth-")} - IDENTITY
    assert not unknown, f"identity of somebody else: {unknown}"
    if not keeps_credentials:
        assert not CREDENTIALS & names.keys(), f"a credential header went on: {CREDENTIALS & names.keys()}"
        whole = record.to_json()
        assert not [secret for secret in secrets if secret in whole], "a secret went on"
