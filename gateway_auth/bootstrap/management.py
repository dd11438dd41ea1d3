"""The registry through which management changes anything, whoever asks: it notes each new head of the audit.

An anchor file that cannot be written refuses the change before it is made. What fails after the commit is told and
undoes nothing: the change is made, and the next one notes a head that stands for this one too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway_auth.adapters.anchor_file import AnchorFile
from gateway_auth.config import Configuration
from gateway_auth.core.audit import AuditHead
from gateway_auth.errors import StoreUnavailable
from gateway_auth.ports import Clock, Registry, Transaction

logger = logging.getLogger("gateway_auth.audit")


class ManagedRegistry:
    """`ports.Registry` around the store. `is_changed` tells whether anything was changed through it."""

    def __init__(self, registry: Registry, configuration: Configuration, clock: Clock) -> None:
        self.is_changed = False
        self.reading = registry.reading
        self._registry = registry
        self._clock = clock
        file = configuration.anchor_file
        self._anchors = AnchorFile(Path(file)) if file is not None else None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """One management change."""
        await self.check()
        async with self._registry.transaction() as transaction:
            before = transaction.audit_head
            yield transaction
        if transaction.audit_head != before:
            self.is_changed = True
            await self.note(transaction.audit_head)

    async def check(self) -> None:
        """Raises StoreUnavailable where no head could be noted."""
        if self._anchors is not None:
            await asyncio.to_thread(self._anchors.check)

    async def note(self, head: AuditHead) -> None:
        """Note the head of a change that was made. Never raises."""
        # The log is an anchor too, where it goes to another machine.
        logger.info("audit head %s", head)
        if self._anchors is None:
            return
        try:
            await asyncio.to_thread(self._anchors.append, head, self._clock.now())
        except StoreUnavailable as error:
            logger.warning("the change is made, its anchor was not noted: %s", error)


@asynccontextmanager
async def anchored(registry: Registry, configuration: Configuration, clock: Clock) -> AsyncIterator[None]:
    """For a change that is no transaction of a registry, a restore: its head is noted like that of any other."""
    managed = ManagedRegistry(registry, configuration, clock)
    await managed.check()
    yield
    async with registry.reading() as snapshot:
        head = (await snapshot.audit.standing()).head
    await managed.note(head)
