"""A command that changed something tells the workers; one that did not, does not, and none waits for it."""

from __future__ import annotations

import pytest

from tests.cli.command import Workspace


@pytest.fixture
def unreachable(workspace: Workspace) -> Workspace:
    """A workspace whose Redis is not there: whoever tells says so."""
    workspace.change("[secrets]", '[redis]\nurl = "redis://127.0.0.1:1/0"\n\n[secrets]')
    return workspace


@pytest.mark.parametrize(
    ("words", "is_told"),
    [
        (("keys", "disable", "{key}"), True),
        (("keys", "update", "{key}", "--name", "new"), True),
        (("apps", "create", "other"), True),
        (("keys", "list"), False),
        (("keys", "show", "{key}"), False),
        (("apps", "list"), False),
        (("keys", "disable", "000000000000"), False),
    ],
    ids=str,
)
def test_a_change_is_told_and_made_whoever_hears(
    unreachable: Workspace, words: tuple[str, ...], is_told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    key_id = unreachable.key(unreachable.app())["id"]
    caplog.clear()
    ended = unreachable.call(*(word.replace("{key}", key_id) for word in words))
    assert ended.code == (1 if "000000000000" in words else 0)
    assert ("workers were not told" in caplog.text) is is_told
