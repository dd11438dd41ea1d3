"""Every store against the one suite."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.adapters.conformance import StoreConformance
from tests.adapters.conformance_admins import AdminConformance
from tests.adapters.conformance_imported import ImportedConformance
from tests.adapters.conformance_revocations import RevocationConformance
from tests.adapters.conformance_usage import ActivityConformance, DigestConformance, UsageConformance
from tests.adapters.stores import STORES, Store, place_for


class TestStore(
    StoreConformance,
    RevocationConformance,
    UsageConformance,
    ActivityConformance,
    DigestConformance,
    ImportedConformance,
    AdminConformance,
):
    @pytest.fixture(params=list(STORES))
    async def store(self, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
        async with STORES[request.param](place_for(request, tmp_path)) as store:
            yield store
