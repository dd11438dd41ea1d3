"""Shared suites explain their failures like tests do."""

import pytest

pytest.register_assert_rewrite(
    "tests.adapters.conformance",
    "tests.adapters.conformance_admins",
    "tests.adapters.conformance_revocations",
    "tests.adapters.conformance_usage",
    "tests.adapters.stores",
)
