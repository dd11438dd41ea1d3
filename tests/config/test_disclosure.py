"""What operators write about reports of leaked secrets."""

from __future__ import annotations

from pathlib import Path

from gateway_auth.config.configuration import DisclosureSettings
from gateway_auth.config.schema_disclosure import GITHUB_KEYS
from tests.config.writing import loaded, problems, with_route, written


def test_absent_nobody_reports() -> None:
    assert loaded(with_route()).disclosure is None


def test_an_empty_table_is_for_github_and_revokes_live_keys() -> None:
    settings = loaded(written(disclosure={})).disclosure
    assert settings == DisclosureSettings(
        name="github", keys_url=GITHUB_KEYS, live="revoke", test="report", admin="disable"
    )


def test_a_file_stands_in_for_the_address(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text("{}", "utf-8")
    settings = loaded(written(disclosure={"name": "scanner", "keys_file": str(file)})).disclosure
    assert settings == DisclosureSettings(name="scanner", keys_file=str(file))


def test_everything_wrong_is_told_at_once() -> None:
    table = {"name": "a b", "keys_url": "http://keys.example", "live": "delete", "admin": "revoke", "secret": "x"}
    found = problems(written(disclosure=table))
    assert sorted(problem.partition(":")[0] for problem in found) == [
        "disclosure.admin", "disclosure.keys_url", "disclosure.live", "disclosure.name", "disclosure.secret",
    ]  # fmt: skip


def test_the_keys_come_from_one_place_that_is_there() -> None:
    both = written(disclosure={"keys_url": "https://keys.example", "keys_file": "keys.json"})
    assert problems(both) == ["disclosure.keys_file: stands beside keys_url; the public keys come from one place"]
    (missing,) = problems(written(disclosure={"keys_file": "no-such-file.json"}))
    assert missing.startswith("disclosure.keys_file: cannot be read; put the public keys of who reports there")


def test_refusals_are_kept_out_of_the_audit_unless_asked_for() -> None:
    assert not loaded(with_route()).are_denials_audited
    assert loaded(written(audit={"denials": True})).are_denials_audited
