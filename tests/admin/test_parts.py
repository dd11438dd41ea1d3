"""What the admin plane is made of from a configuration: its changes are anchored as those of the command line."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gateway_auth.adapters.anchor_file import read_anchors
from gateway_auth.bootstrap.admin import AdminParts
from gateway_auth.config import load
from gateway_auth.core.actor import Actor
from gateway_auth.errors import StoreUnavailable
from gateway_auth.lifecycle.apps import AppFields
from gateway_auth.lifecycle.desk import Desk

PEPPER = "Jr4ZbLq7Wd0xVnT9KfEy2uHs6mCa8PoG1iXv5NtB"
ALICE = Actor(kind="cli", name="alice")


async def test_each_change_is_anchored_and_none_is_made_that_cannot_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="gateway_auth.audit")
    anchors = tmp_path / "audit.anchors"
    configuration = load(
        {
            "store": {"url": f"sqlite:///{tmp_path}/gateway.db"},
            "audit": {"anchor_file": str(anchors)},
            "secrets": {"pepper": "env:PEPPER"},
        },
        environ={"PEPPER": PEPPER},
    )
    parts = AdminParts(configuration)
    desk = Desk(parts.tools, ALICE)
    try:
        await desk.apps.create(AppFields(name="shop"))
        head = await parts.audit_head()
        assert read_anchors(anchors) == {head.seq: head.hash}
        assert f"audit head {head}" in caplog.text
        anchors.unlink()
        anchors.mkdir()
        with pytest.raises(StoreUnavailable, match=r"audit\.anchor_file"):
            await desk.apps.create(AppFields(name="other"))
        assert [app["name"] for app in await desk.apps.page(limit=9, after="")] == ["shop"]
        assert await parts.audit_head() == head
    finally:
        await parts.close()
