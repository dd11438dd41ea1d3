"""The store over SQL: reads for judging, the change log, transactions for management. Opens on first use.

Which database it is stands in `address`; whether it may be used, `opening` decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway_auth.adapters.sql.activity import key_activity
from gateway_auth.adapters.sql.address import driver_for
from gateway_auth.adapters.sql.driver import Listener, Query
from gateway_auth.adapters.sql.failures import translated
from gateway_auth.adapters.sql.guarded import Guarded
from gateway_auth.adapters.sql.opening import open_schema, upgrade_schema
from gateway_auth.adapters.sql.rows import Row, from_row, split_reading
from gateway_auth.adapters.sql.schema import CURRENT_SCHEMA, Schema, changes, head, keys
from gateway_auth.adapters.sql.statements import (
    MAX_BATCH,
    READ_CHANGES,
    READ_KEY,
    READ_REVISION,
    READ_REVOCATIONS,
    REPLACE_DIGEST,
    change_in,
    number_in,
)
from gateway_auth.adapters.sql.transaction import SqlSnapshot, SqlTransaction
from gateway_auth.adapters.sql.usage import add_usage, prune_usage, usage_sums
from gateway_auth.core.activity import Activity, Moment
from gateway_auth.core.imported import ImportedKey, Upgrade
from gateway_auth.core.keys import AppRecord, KeyRecord
from gateway_auth.core.token import Revocation
from gateway_auth.core.usage import UsageBatch, UsageQuestion, UsageRow
from gateway_auth.errors import StoreUnavailable
from gateway_auth.ports import ChangeBatch, KeyReading, NewDigest, RevocationReading


class SqlStore:
    """ports.KeyStore, ChangeFeed, RevocationStore, Registry, UsageSink, UsageReader and StoreCare, over SQL.

    `sqlite:///file` or `postgresql://…`.

    For one event loop. Nothing is opened before the first use, so it may be made before a fork. Raises
    StoreUnavailable for an outage, StoreSchemaError for a schema of another version, ConfigError (here) for another
    URL.
    """

    def __init__(self, url: str, *, schema: Schema = CURRENT_SCHEMA) -> None:
        self._schema = schema
        self._driver = driver_for(url)
        self._is_open = False
        self._is_closed = False
        self._opening: asyncio.Task[None] | None = None
        self._listener: Listener | None = None

    # -- judging ------------------------------------------------------------

    async def read_key(self, key_id: str) -> KeyReading:
        """The key and its app as of one revision."""
        (row,) = await self._rows(READ_KEY, {"key_id": key_id})
        before, app_row, key_row = split_reading(row)
        revision = number_in(before[0])
        if key_row[0] is None:
            return KeyReading(revision)
        with translated(self._driver.explain):
            return KeyReading(revision, from_row(KeyRecord, key_row), from_row(AppRecord, app_row))

    async def current_revision(self) -> int:
        """The revision of the last change, 0 before the first."""
        return number_in((await self._rows(READ_REVISION, {}))[0][0])

    async def changes_since(self, revision: int) -> ChangeBatch:
        """At most `MAX_BATCH` changes after `revision`.

        Incomplete when some of them were pruned, and when the store itself stands before `revision`: then it
        was put back from a backup, and what the reader knows is of another history.
        """
        rows = await self._rows(READ_CHANGES, {"after": revision})
        current, pruned = number_in(rows[0][0]), number_in(rows[0][1])
        if revision < pruned or revision > current:
            return ChangeBatch(current, is_complete=False)
        found = tuple(change_in(row[2:]) for row in rows if row[2] is not None)
        # A full batch: more may wait. Else the reader has all up to now, in the same snapshot.
        return ChangeBatch(found[-1].revision if len(found) == MAX_BATCH else current, found)

    async def read_revocations(self, after: int) -> RevocationReading:
        """Those recorded after revision `after`, ended ones that are still there among them; 0 for all."""
        rows = await self._rows(READ_REVOCATIONS, {"after": after})
        with translated(self._driver.explain):
            found = tuple(from_row(Revocation, row[1:]) for row in rows if row[1] is not None)
        return RevocationReading(number_in(rows[0][0]), found)

    async def find_imported(self, lookups: Sequence[bytes]) -> Sequence[ImportedKey]:
        """The imported keys found by any of the digests."""
        async with self.reading() as snapshot:
            return await snapshot.imported.find(lookups)

    async def upgrade_imported(self, upgrade: Upgrade) -> None:
        """Nothing people see changes, so nobody is told of it."""
        async with self.transaction() as transaction:
            await transaction.imported.upgrade(upgrade)

    def listen(self, on_nudge: Callable[[], object]) -> None:
        """Call `on_nudge`, until the store is closed, when somebody may have changed something; where that is told."""
        self._listener = self._driver.listener(on_nudge)
        if self._listener is not None:
            self._listener.start()

    # -- management ---------------------------------------------------------

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[SqlSnapshot]:
        """Waits for no writer."""
        async with self._connection(self._driver.looking_engine) as connection:
            yield SqlSnapshot(connection, self._driver.explain)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqlTransaction]:
        """Waits for other writers, at most `driver.LOCK_TIMEOUT_SECONDS`."""
        async with self._connection(self._driver.engine) as connection:
            transaction = await SqlTransaction.begin(connection, self._driver.explain, self._driver.announcement)
            yield transaction
            await transaction.commit()

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[Guarded]:
        """For adapters of other tables: reads, in one snapshot, that wait for nobody."""
        async with self._connection(self._driver.looking_engine) as connection:
            yield Guarded(connection, self._driver.explain)

    @asynccontextmanager
    async def dumping(self) -> AsyncIterator[Guarded]:
        """A connection that reads one moment, however long it takes."""
        async with self._connection(self._driver.dumping_engine) as connection:
            yield Guarded(connection, self._driver.explain)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Guarded]:
        """For adapters of other tables: a transaction that takes no turn at the head, and no effect without commit."""
        async with self._connection(self._driver.engine) as connection:
            yield Guarded(connection, self._driver.explain)

    async def add_usage(self, batch: UsageBatch) -> None:
        """Add what a worker counted. Takes no turn among the writers of PostgreSQL, one among those of SQLite."""
        async with self.writing() as guarded:
            await add_usage(guarded, batch)
            await guarded.commit()

    async def replace_digests(self, digests: Sequence[NewDigest]) -> None:
        """Put digests under another pepper in place of those that are still what they were."""
        async with self.writing() as guarded:
            await guarded.run(
                REPLACE_DIGEST,
                [
                    {"key_id": one.key_id, "old": one.old, "new_digest": one.new, "new_pepper": one.pepper_id}
                    for one in sorted(digests, key=lambda one: one.key_id)
                ],
            )
            await guarded.commit()

    async def count_unverifiable(self, pepper_ids: frozenset[str], *, at_most: int) -> int:
        """How many keys that are not revoked have a digest of another pepper; counting ends at `at_most`."""
        chosen = select(keys.c.id).where(keys.c.pepper_id.not_in(pepper_ids), keys.c.status != "revoked")
        async with self.looking() as guarded:
            return len((await guarded.run(chosen.limit(at_most))).all())

    async def usage_sums(self, question: UsageQuestion) -> Sequence[UsageRow]:
        """How much keys were used, oldest first."""
        async with self.looking() as guarded:
            return await usage_sums(guarded, question)

    async def key_activity(
        self, moment: Moment, *, limit: int, after: str = "", owner: str | None = None
    ) -> Sequence[Activity]:
        """What keys do now and did before, in order of id."""
        async with self.looking() as guarded:
            return await key_activity(guarded, moment, limit=limit, after=after, owner=owner)

    async def prune_usage(self, *, minutes_before: float, all_before: float) -> None:
        """Keep usage older than the first by the hour, and none older than the second (epoch seconds)."""
        async with self.writing() as guarded:
            # One at a time: what two sum up at once would be counted twice.
            await guarded.run(select(head.c.id).with_for_update())
            await prune_usage(guarded, minutes_before=minutes_before, all_before=all_before)
            await guarded.commit()

    async def prune_changes(self, before: float) -> int:
        """Forget changes from before a time (epoch seconds); returns how many. Late readers start anew."""
        oldest_kept = select(func.max(changes.c.revision)).where(changes.c.at < before).scalar_subquery()
        async with self._connection(self._driver.engine) as connection:
            with translated(self._driver.explain):
                await connection.execute(select(head.c.id).with_for_update())
                last = await connection.scalar(select(oldest_kept))
                if last is None:
                    return 0
                gone = await connection.execute(delete(changes).where(changes.c.revision <= last))
                await connection.execute(update(head).where(head.c.id == 1).values(pruned=last))
                await connection.commit()
                return gone.rowcount

    # -- opening and closing ------------------------------------------------

    async def open(self) -> None:
        """Open now what the first use would open. Creates a store where there is none."""
        while not self._is_open:
            if self._is_closed:
                raise StoreUnavailable("the store is closed")
            # One task for all who wait: the one who came first may be cancelled without failing the others.
            if self._opening is None:
                self._opening = asyncio.create_task(self._open())
                self._opening.add_done_callback(self._opened)
            await asyncio.shield(self._opening)

    async def upgrade(self) -> str | None:
        """Bring an older store to this program's schema. Returns the version found; None: made now."""
        if self._is_open:
            return self._schema.version
        with translated(self._driver.explain):
            try:
                await self._driver.prepare()
                return await upgrade_schema(self._driver, self._schema)
            finally:
                await self._driver.close()

    async def close(self) -> None:
        """Close for good. Commands under way fail."""
        self._is_closed = True
        self._is_open = False
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if self._listener is not None:
            await self._listener.close()
        with translated(self._driver.explain):
            await self._driver.close()

    async def _open(self) -> None:
        with translated(self._driver.explain):
            try:
                await self._driver.prepare()
                await open_schema(self._driver, self._schema)
            except BaseException:
                await self._driver.close()
                raise
        self._is_open = True

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening = None
        if not task.cancelled():
            task.exception()  # retrieved: whoever waited has it, and nobody may have waited to the end

    async def _rows(self, query: Query, parameters: Mapping[str, str | int]) -> Sequence[Row]:
        if not self._is_open:
            await self.open()
        with translated(self._driver.explain):
            return await self._driver.rows(query, parameters)

    @asynccontextmanager
    async def _connection(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        """A connection that goes back without whatever was not committed on it."""
        await self.open()
        with translated(self._driver.explain):
            connection = await engine.connect()
        try:
            yield connection
        finally:
            # Shielded: a cancelled command must not leave its transaction open. One that was cancelled in the
            # middle of a statement has lost its connection by then: SQLAlchemy closes it.
            with translated(self._driver.explain):
                await asyncio.shield(asyncio.ensure_future(connection.close()))
