"""Every store against the one suite."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.adapters.conformance import StoreConformance
from tests.adapters.conformance_imported import ImportedConformance
from tests.adapters.conformance_revocations import RevocationConformance
from tests.adapters.stores import STORES, Store


class TestStore(StoreConformance, RevocationConformance, ImportedConformance):
    @pytest.fixture(params=list(STORES))
    async def store(self, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
        async with STORES[request.param](tmp_path) as store:
            yield store
