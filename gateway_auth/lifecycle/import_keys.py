"""Takes in keys that were issued elsewhere. Knows no file and no format: entries come as mappings of names to text.

Nothing is written before every entry was checked. It goes in batches, and what is there already is left alone: an
import that was broken off is finished by running it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from gateway_auth.core.actor import Actor
from gateway_auth.core.imported import ImportedKey
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.core.keys import KeyRecord
from gateway_auth.errors import Conflict, InvalidInput, Problem
from gateway_auth.lifecycle.apps import existing_app
from gateway_auth.lifecycle.create_key import KeyMint
from gateway_auth.lifecycle.events import key_event
from gateway_auth.lifecycle.foreign_hash import ForeignProof, proof_of_hash, proof_of_text
from gateway_auth.lifecycle.input import check_environment
from gateway_auth.lifecycle.key_fields import KeyFields
from gateway_auth.ports import Clock, Random, Registry, Transaction

BATCH = 200
"""Keys in one transaction: other writers wait for no more."""

COLUMNS = frozenset(
    ("key", "hash", "hash_kind", "start", "name", "environment", "scopes", "roles", "not_before", "expires_at")
)


class Entry(Struct, frozen=True):
    """One line of what is imported. `values` by the names of `COLUMNS`; lists are separated by spaces or commas."""

    line: int
    values: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Entry(line={self.line})"


class Prepared(Struct, frozen=True):
    """An entry that was checked: the record it becomes, without an id, and how its key is proven."""

    line: int
    record: KeyRecord
    proof: ForeignProof


class Imported(Struct, frozen=True):
    """What came of it."""

    records: Sequence[KeyRecord]
    already_there: int


class ImportKeys:
    """The use case. `default_kind` is of hashes whose entry does not say; empty where each must."""

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        random: Random,
        *,
        key_format: KeyFormat,
        peppers: PepperRing,
        max_lifetime_days: int = 0,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._format = key_format
        self._peppers = peppers
        self._mint = KeyMint(random, key_format, peppers, max_lifetime_days)

    def prepare(
        self, actor: Actor, app_id: str, entries: Sequence[Entry], default_kind: str
    ) -> tuple[list[Prepared], list[Problem]]:
        """What can be imported, and what is wrong with the rest, by line; nothing of a key stands in it."""
        prepared, problems = [], []
        lines: dict[bytes, int] = {}
        for entry in entries:
            try:
                each = self._prepare(actor, app_id, entry, default_kind)
            except InvalidInput as error:
                problems.append(Problem(f"line {entry.line}", str(error)))
                continue
            first = lines.setdefault(each.proof.message, entry.line)
            if first == entry.line:
                prepared.append(each)
            else:
                what = "start" if each.proof.hash else "key"
                problems.append(Problem(f"line {entry.line}", f"{what}: is the same as in line {first}"))
        return prepared, problems

    async def run(self, actor: Actor, app_id: str, prepared: Sequence[Prepared]) -> Imported:
        """Write them. Raises NotFound, Conflict and StoreUnavailable; batches written before that stay."""
        records: list[KeyRecord] = []
        for batch in _batches(prepared):
            async with self._registry.transaction() as transaction:
                app = await existing_app(transaction, app_id)
                if app.status != "active":
                    raise Conflict(f"app {app.id} is disabled; enable it before importing keys")
                saved = [await self._save(transaction, actor, each) for each in batch]
            records += [record for record in saved if record is not None]
        return Imported(records, len(prepared) - len(records))

    def _prepare(self, actor: Actor, app_id: str, entry: Entry, default_kind: str) -> Prepared:
        values = entry.values
        if values.keys() - COLUMNS:
            # Not named: of a file without a head, the names are the first key.
            raise InvalidInput("columns", f"name only {', '.join(sorted(COLUMNS))}, in the first line of CSV")
        given = {name: text for name, text in values.items() if text}
        if ("key" in given) == ("hash" in given):
            raise InvalidInput("key", "give exactly one of key and hash")
        if "key" in given:
            proof = proof_of_text(given["key"], self._format)
        else:
            proof = proof_of_hash(given.get("hash_kind", default_kind), given["hash"], given.get("start", ""))
        now = self._clock.now()
        environment = check_environment(given.get("environment", "live"))
        record = self._mint.fresh(app_id, environment, actor, _fields(given), now)
        digest = self._peppers.digest(proof.text) if proof.text is not None else b""
        return Prepared(entry.line, replace(record, digest=digest), proof)

    async def _save(self, transaction: Transaction, actor: Actor, prepared: Prepared) -> KeyRecord | None:
        """The record; None where it is there already."""
        proof = prepared.proof
        if await transaction.imported.find(self._peppers.digests(proof.message)):
            return None
        drawn = await self._mint.draw_unused(transaction.keys, prepared.record.environment)
        record = replace(prepared.record, id=drawn.key_id)
        imported = ImportedKey(
            key_id=record.id,
            lookup=self._peppers.digest(proof.message),
            pepper_id=self._peppers.current_id,
            hash_kind=proof.hash_kind,
            hash=proof.hash,
        )
        await transaction.keys.save(record)
        await transaction.imported.save(imported)
        await transaction.record(key_event(self._clock.now(), actor, "import", None, record))
        return record


def _fields(given: Mapping[str, str]) -> KeyFields:
    return KeyFields(
        name=given.get("name", UNSET),
        scopes=_list(given.get("scopes")),
        roles=_list(given.get("roles")),
        not_before=given.get("not_before", UNSET),
        expires_at=given.get("expires_at", UNSET),
    )


def _list(text: str | None) -> Sequence[str] | UnsetType:
    return UNSET if text is None else text.replace(",", " ").split()


def _batches(prepared: Sequence[Prepared]) -> Iterator[Sequence[Prepared]]:
    for start in range(0, len(prepared), BATCH):
        yield prepared[start : start + BATCH]
