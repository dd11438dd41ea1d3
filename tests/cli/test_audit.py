"""The audit on the command line: looking, verifying against anchors, and files for other programs."""

from __future__ import annotations

import csv
import io
import json
import stat
from pathlib import Path

import pytest

from tests.adapters.stores import query
from tests.cli.command import Workspace


@pytest.fixture
def used(workspace: Workspace) -> Workspace:
    """A store with three records: an app, its key, and that it was disabled."""
    app = workspace.app()
    key = workspace.key(app, "--name", "ci")
    assert workspace.call("keys", "disable", key["id"]).code == 0
    return workspace


def test_records_are_listed_newest_first_with_what_changed(used: Workspace) -> None:
    records = used.call("audit", "list", "--json").json
    assert [record["action"] for record in records] == ["key.disable", "key.create", "app.create"]
    assert [record["seq"] for record in records] == [3, 2, 1]
    assert records[0]["before"]["status"] == "active"
    assert records[0]["after"]["status"] == "disabled"
    assert all(record["actor"].startswith("cli:") and record["outcome"] == "done" for record in records)
    table = used.call("audit", "list").out.splitlines()
    assert len(table) == 4
    assert table[1].split()[-1] == "status"


def test_records_are_chosen_by_what_is_asked(used: Workspace) -> None:
    newest = used.call("audit", "list", "--json").json[0]

    def chosen(*options: str) -> list[int]:
        return [record["seq"] for record in used.call("audit", "list", "--json", *options).json]

    assert chosen("--action", "key.create") == [2]
    assert chosen("--object", newest["object_id"]) == [3, 2]
    assert chosen("--actor", newest["actor"], "--limit", "1") == [3]
    assert chosen("--actor", "cli:somebody-else") == []
    assert chosen("--since", "1h") == [3, 2, 1]
    assert chosen("--since", "2099-01-01T00:00:00Z") == []
    assert chosen("--before", "3") == [2, 1]
    assert used.call("audit", "list", "--actor", "cli:somebody-else").err == "There are no such records.\n"


@pytest.mark.parametrize(
    "options",
    [
        ("--since", "yesterday"),
        ("--limit", "0"),
        ("--actor", "x" * 300),
        ("--object", "a\0"),
        ("--action", "\udcff"),
        ("--before", "0"),
        ("--before", "9" * 20),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(used: Workspace, options: tuple[str, str]) -> None:
    ended = used.call("audit", "list", *options)
    assert ended.code == 2
    assert ended.err.startswith(f"gateway-auth: {options[0]}: ")


def test_verify_prints_count_and_head(used: Workspace) -> None:
    ended = used.call("audit", "verify")
    told = used.call("audit", "verify", "--json").json
    assert (ended.code, ended.out) == (0, f"3 records, head {told['head']}\n")
    assert told == {"ok": True, "count": 3, "head": told["head"]}
    newest = used.call("audit", "list", "--json").json[0]
    assert told["head"] == f"3:{newest['hash']}"


def test_verify_names_the_first_bad_record_and_exits_1(used: Workspace) -> None:
    query(used.directory / "gateway.db", "UPDATE audit SET actor = 'cli:eve' WHERE seq = 2")
    ended = used.call("audit", "verify")
    assert ended.code == 1
    assert ended.out.startswith("record 2 does not follow from those before it")
    told = used.call("audit", "verify", "--json")
    assert (told.code, told.json["ok"], told.json["seq"]) == (1, False, 2)


def test_a_cut_tail_is_found_by_the_head_somebody_kept(used: Workspace) -> None:
    head = used.call("audit", "verify", "--json").json["head"]
    assert used.call("audit", "verify", "--anchor", head).code == 0
    cut(used)
    assert used.call("audit", "verify").code == 0
    ended = used.call("audit", "verify", "--anchor", head)
    assert (ended.code, ended.out) == (1, "record 3 is missing: an anchor was written at record 3\n")


def test_every_change_notes_its_head_in_the_anchor_file(workspace: Workspace) -> None:
    anchors = with_anchors(workspace)
    app = workspace.app()
    workspace.key(app)
    workspace.call("apps", "disable", app)
    workspace.call("apps", "disable", app)  # changes nothing, so it notes nothing
    lines = anchors.read_text().splitlines()
    assert [line.split(":")[0] for line in lines] == ["1", "2", "3"]
    assert lines[-1].split()[0] == workspace.call("audit", "verify", "--json").json["head"]
    assert stat.S_IMODE(anchors.stat().st_mode) == 0o600
    cut(workspace)
    ended = workspace.call("audit", "verify")
    assert (ended.code, ended.out) == (1, "record 3 is missing: an anchor was written at record 3\n")
    assert workspace.call("audit", "verify", "--anchor", str(anchors)).code == 1


def test_a_restore_notes_its_head_too_and_is_not_made_where_it_could_not(workspace: Workspace) -> None:
    workspace.app()
    kept = workspace.directory / "kept.jsonl"
    assert workspace.call("store", "backup", kept).code == 0
    anchors = with_anchors(workspace)
    anchors.mkdir()
    ended = workspace.call("store", "restore", kept, "--yes")
    assert (ended.code, "mend it, or change audit.anchor_file" in ended.err) == (1, True)
    anchors.rmdir()
    assert workspace.call("store", "restore", kept, "--yes").code == 0
    assert anchors.read_text().split()[0] == workspace.call("audit", "verify", "--json").json["head"]


def test_a_change_whose_head_could_not_be_noted_is_not_made(workspace: Workspace) -> None:
    anchors = with_anchors(workspace)
    anchors.mkdir()
    ended = workspace.call("apps", "create", "shop")
    assert ended.code == 1
    assert f"{anchors} cannot be written: Is a directory; mend it, or change audit.anchor_file" in ended.err
    assert workspace.call("apps", "list", "--json").json == []


def test_an_anchor_file_that_is_a_link_is_not_written_to(workspace: Workspace, tmp_path: Path) -> None:
    with_anchors(workspace).symlink_to(tmp_path / "elsewhere")
    assert workspace.call("apps", "create", "shop").code == 1
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("hello\n", "line 1 is no anchor"),
        (f"\n1:{'0' * 64} now\n2:abc\n", "line 3 is no anchor"),
        (f"1:{'0' * 64}\n1:{'1' * 64}\n", "line 2 says another head of record 1"),
    ],
)
def test_an_anchor_file_that_was_edited_is_said_so(used: Workspace, content: str, said: str) -> None:
    file = used.directory / "anchors"
    file.write_text(content)
    ended = used.call("audit", "verify", "--anchor", str(file))
    assert ended.code == 1
    assert said in ended.err


def test_since_says_that_it_may_also_be_a_time(used: Workspace) -> None:
    for text in ("yesterday", "never"):
        (line,) = used.call("audit", "list", "--since", text).error_lines
        assert line.endswith('or a time, like "2030-01-31T12:00:00Z"')
        assert '"never"' not in line


def test_an_anchor_that_is_neither_is_a_usage_error(used: Workspace) -> None:
    assert used.call("audit", "verify", "--anchor", "").code == 2
    ended = used.call("audit", "verify", "--anchor", "nothing")
    assert (ended.code, ended.err) == (2, "gateway-auth: --anchor: nothing is neither a file nor a head, SEQ:HEX\n")


def test_json_lines_hold_every_record_oldest_first(used: Workspace) -> None:
    ended = used.call("audit", "export")
    records = [json.loads(line) for line in ended.out.splitlines()]
    assert records == used.call("audit", "list", "--json").json[::-1]
    assert ended.err == "3 records\n"
    assert ended.out.isascii()


def test_json_is_one_array_as_audit_list_prints(used: Workspace) -> None:
    listed = used.call("audit", "list", "--json").json[::-1]
    assert used.call("audit", "export", "--json").json == listed
    assert used.call("audit", "export", "--json", "--actor", "cli:somebody-else").json == []
    assert used.call("audit", "export", "--json", "--format", "csv").code == 2


def test_a_file_is_new_and_its_owners_alone(used: Workspace) -> None:
    file = used.directory / "audit.csv"
    assert used.call("audit", "export", "--format", "csv", "--output", str(file)).code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_bytes().count(b"\r\n") == 4
    ended = used.call("audit", "export", "--output", str(file))
    assert (ended.code, ended.err) == (1, f"gateway-auth: {file} is there already; name another file\n")


@pytest.mark.parametrize("beginning", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_no_cell_is_a_formula(used: Workspace, beginning: str) -> None:
    evil = f'{beginning}cmd|"/C calc"!A0,x'
    query(used.directory / "gateway.db", "UPDATE audit SET actor = ?, object_id = ?, after = ?", evil, evil, evil)
    rows = list(csv.reader(io.StringIO(used.call("audit", "export", "--format", "csv").out)))
    assert [len(row) for row in rows] == [12] * 4
    for row in rows[1:]:
        for cell in (row[2], row[5], row[10]):
            assert cell.startswith("'")
            assert cell.isprintable()


def test_what_could_drive_a_terminal_is_written_inert(used: Workspace) -> None:
    evil = "\x1b]0;owned\x07\u202ename\u2028"
    query(used.directory / "gateway.db", "UPDATE audit SET actor = ?, before = ?, at = 'soon'", evil, evil)
    for words in (("list",), ("list", "--json"), ("export",), ("export", "--format", "csv")):
        ended = used.call("audit", *words)
        assert ended.code == 0
        assert all(char.isprintable() or char in "\r\n" for char in ended.out)


def cut(workspace: Workspace) -> None:
    """Without its last record, as if it had never been."""
    file = workspace.directory / "gateway.db"
    query(file, "DELETE FROM audit WHERE seq = 3")
    query(file, "UPDATE head SET audit_seq = 2, audit_hash = (SELECT hash FROM audit WHERE seq = 2)")


def with_anchors(workspace: Workspace) -> Path:
    """Where they are noted from now on."""
    config = workspace.config
    config.write_text(config.read_text("utf-8") + '\n[audit]\nanchor_file = "audit.anchors"\n', "utf-8")
    return workspace.directory / "audit.anchors"
