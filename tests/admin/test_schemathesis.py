"""schemathesis asks a served admin plane what its own document invites to, and what it does not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.checks import CHECKS, load_all_checks

from tests.admin.serving import administering
from tests.cli.command import Workspace, call

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("GATEWAY_AUTH_API_EXAMPLES", "12"))
"""Requests for each operation."""
HELD_TO = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_no_answer_is_undocumented_or_a_5xx(tmp_path: Path) -> None:
    directory = tmp_path / "gateway"
    assert call("init", directory).code == 0
    workspace = Workspace(directory)
    # Made-up credentials are part of it; the brake on guessing would end the test.
    workspace.change("[gateway]\n", "[gateway]\nfailed_auth = false\n")
    token = workspace.call("admins", "create", "root", "--role", "admin", "--json").json["token"]
    load_all_checks()
    checks = CHECKS.get_by_names(list(HELD_TO))
    with administering(directory) as server:
        schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")
        results: Any = schema.get_all_operations()
        operations = [result.ok() for result in results]
        assert len(operations) > 15
        for operation in operations:
            _ask(operation, token, checks)


def _ask(operation: Any, token: str, checks: list[Any]) -> None:
    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=checks, timeout=20)

    ask()
