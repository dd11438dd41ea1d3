"""Every secret ever issued is searched for in everything the gateway says, keeps and shows. None is found."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
import typer

from gateway_auth.cli.app import app as command_line
from tests.conformance.inside import inside, scope_of
from tests.conformance.vectors import with_other_secret
from tests.leaks.gateway import Gateway
from tests.leaks.search import find
from tests.leaks.story import NAMES, live
from tests.leaks.tokens import Tokens, secrets_of

pytestmark = pytest.mark.slow

KEY = re.compile(rb"gwk_(?:live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")
ELSEWHERE = frozenset(("admin", "demo"))
"""Commands with a test of their own: below, and for the admin plane in `tests/admin/test_http.py`."""


class Story(NamedTuple):
    """What came of it."""

    gateway: Gateway
    keys: dict[str, str]
    tokens: Tokens
    answered: bytes

    @property
    def secrets(self) -> dict[str, str]:
        """The secret part of every key, of one that was guessed, and of every token; and the pepper."""
        texts = {**self.keys, "guessed": with_other_secret(self.keys["good"])}
        return {
            **{name: text.split("_")[3] for name, text in texts.items()},
            **secrets_of(self.tokens),
            "pepper": self.gateway.pepper,
        }


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("leaks") / "gateway"
    folder.mkdir()
    gateway = Gateway(folder)
    return Story(gateway, *live(gateway))


def test_each_key_is_shown_once_by_the_command_that_made_it(story: Story) -> None:
    shown: dict[str, list[str]] = {name: [] for name in NAMES}
    for source, data in story.gateway.said.items():
        for name in {found.partition(":")[0] for found in find(data, story.secrets)}:
            shown[name].append(source.partition(" ")[2])
    assert {name: len(sources) for name, sources in shown.items()} == dict.fromkeys(NAMES, 1)
    for (source,) in shown.values():
        assert source.startswith(("keys create", "keys rotate"))
        assert source.endswith("stdout")


def test_what_is_shown_is_shown_once_within_its_output(story: Story) -> None:
    for name, text in story.keys.items():
        assert sum(data.count(text.encode()) for data in story.gateway.said.values()) == 1, name


def test_no_file_holds_a_secret(story: Story) -> None:
    names = {source.partition(" ")[2] for source in story.gateway.files}
    assert names >= {
        "gateway.db", "gateway.db-wal", "gateway.db-shm", "serve.log", "gateway.toml", "backup.jsonl", "audit.jsonl",
        "audit.csv", "audit.anchors",
    }  # fmt: skip
    assert _leaks(story.gateway.files, story.secrets) == {}


def test_the_log_has_something_to_say(story: Story) -> None:
    log = story.gateway.log.read_bytes()
    assert log.count(b"\n") > 20
    assert b"invalid_credential" in log
    assert story.keys["leaked"].split("_")[2].encode() in log, "the id of a leaked key is told, so that it is replaced"


def test_no_answer_holds_a_secret(story: Story) -> None:
    assert story.answered
    assert find(story.answered, story.secrets) == []


def test_a_token_that_was_taken_back_is_told_so(story: Story) -> None:
    assert b"credential_revoked" in story.answered, "the tokens of this story are good ones, but for that"


def test_no_process_shows_a_secret_in_its_arguments(story: Story) -> None:
    assert len(story.gateway.arguments) >= 2
    assert _leaks(story.gateway.arguments, story.secrets) == {}


def test_every_command_was_searched(story: Story) -> None:
    known = _commands()
    groups = {words[0] for words in known if len(words) > 1}
    run = {words[:2] if words[0] in groups else words[:1] for words in story.gateway.commands}
    assert {words for words in known if words[0] not in ELSEWHERE} - run == set()


def test_a_mounted_gateway_logs_no_secret(story: Story, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    leaked = story.keys["leaked"].encode()
    with inside(story.gateway.folder / "gateway.toml") as gateway:
        for name in ("X-Request-Id", "Referer", "User-Agent", "X-API-Key"):
            gateway.ask(scope_of("GET", b"/v1/orders/1", [(name, leaked)], "127.0.0.1"))
        for target in (b"/v1/orders/1?k=" + leaked, b"/no/" + leaked, b"/v1//" + leaked):
            gateway.ask(scope_of("GET", target, [], "127.0.0.1"))
    assert "refused" in caplog.text
    assert find(caplog.text.encode(), story.secrets) == []


def test_the_demo_keeps_no_key_it_prints(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    gateway.run("demo", "--check", "--port", "0", "--data-dir", str(tmp_path / "demo"))
    printed = {text.decode() for data in gateway.said.values() for text in KEY.findall(data)}
    secrets = {text: text.split("_")[3] for text in printed}
    secrets["pepper"] = (tmp_path / "demo" / "secrets" / "pepper").read_text().strip()
    paths = [path for path in (tmp_path / "demo").rglob("*") if path.is_file() and path.name != "pepper"]
    assert paths
    assert _leaks({path.name: path.read_bytes() for path in paths}, secrets) == {}
    assert find(b"".join(gateway.said.values()), {"pepper": secrets["pepper"]}) == []


def _leaks(sources: Mapping[str, bytes], secrets: Mapping[str, str]) -> dict[str, list[str]]:
    """What was found, by where."""
    return {source: found for source, data in sources.items() if (found := find(data, secrets))}


def _commands() -> set[tuple[str, ...]]:
    """Every command there is."""
    found: set[tuple[str, ...]] = set()
    for name, command in typer.main.get_command(command_line).commands.items():  # type: ignore[attr-defined]  # the root is a group
        subcommands = getattr(command, "commands", None)
        found |= {(name, sub) for sub in subcommands} if subcommands else {(name,)}
    return found
