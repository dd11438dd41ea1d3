"""`keys import`: the formats it reads, what it prints, and what it refuses before anything is written."""

from __future__ import annotations

import hashlib
import json
import sys

import pytest

from tests.cli.command import Workspace

KEYS = [f"sk_{number}_0123456789abcdef" for number in range(3)]


def written(workspace: Workspace, name: str, content: str) -> str:
    file = workspace.directory / name
    file.write_text(content)
    return str(file)


def test_a_csv_file_is_imported_and_its_keys_are_listed(workspace: Workspace) -> None:
    app = workspace.app()
    file = written(workspace, "keys.csv", "key,name,scopes\n" + "".join(f'{key},n,"orders:read a:b"\n' for key in KEYS))
    ended = workspace.call("keys", "import", file, "--app", "shop")
    assert (ended.code, ended.out) == (0, "3 imported, 0 were there already\n")
    assert "accept_imported" in ended.err
    listed = workspace.call("keys", "list", "--json").json
    assert [(key["app_id"], key["name"], key["scopes"]) for key in listed] == [(app, "n", ["orders:read", "a:b"])] * 3
    assert not any(key in ended.out + ended.err for key in KEYS)
    assert workspace.call("keys", "import", file, "--app", "shop").out == "0 imported, 3 were there already\n"


def test_json_lines_are_imported_from_stdin_and_told_as_json(workspace: Workspace) -> None:
    workspace.app()
    lines = [
        {"hash": hashlib.sha256(key.encode()).hexdigest(), "scopes": ["orders:read"], "name": None} for key in KEYS
    ]
    stdin = "\n\n".join(map(json.dumps, lines))
    ended = workspace.call(
        "keys", "import", "-", "--format", "jsonl", "--hash", "sha256", "--app", "shop", "--json", stdin=stdin
    )
    assert ended.code == 0
    assert [key["scopes"] for key in ended.json] == [["orders:read"]] * 3
    assert not any(line["hash"] in ended.out for line in lines if isinstance(line["hash"], str))


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("keys.txt", "key\n", "--format: write csv or jsonl"),
        ("keys.csv", "key,key\na,b\n", "line 1: a column stands there twice"),
        ("keys.csv", f"key,name\n{KEYS[0]}\n", "line 2: has 1 columns, the head has 2"),
        ("keys.csv", f'key\n"{KEYS[0]}', "line 2: is not CSV"),
        ("keys.jsonl", f"{{'key': '{KEYS[0]}'}}", "line 1: is not JSON"),
        ("keys.jsonl", "[" * 100_000, "line 1: is not JSON"),
        ("keys.jsonl", f'["{KEYS[0]}"]', "line 1: must be an object"),
        ("keys.jsonl", '{"key": 12}', "line 1: key: must be text, or a list of texts"),
        ("keys.csv", f"key\n{KEYS[0]}\nshort\n", "line 3: key: must be 16 to 256 visible ASCII"),
        ("keys.csv", f"key,password\n{KEYS[0]},x\n", "line 2: columns: name only environment, "),
        ("keys.csv", f"{KEYS[0]}\n{KEYS[1]}\n", "line 2: columns: name only environment, "),
    ],
)
def test_what_cannot_be_read_is_one_line_and_nothing_is_written(
    workspace: Workspace, name: str, content: str, error: str
) -> None:
    workspace.app()
    ended = workspace.call("keys", "import", written(workspace, name, content), "--app", "shop")
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.error_lines) == 1
    assert ended.err.startswith(f"gateway-auth: {error}")
    assert KEYS[0] not in ended.err
    assert workspace.call("keys", "list", "--json").json == []


def test_of_many_problems_the_first_are_told(workspace: Workspace) -> None:
    workspace.app()
    file = written(workspace, "keys.csv", "key\n" + "short\n" * 60)
    ended = workspace.call("keys", "import", file, "--app", "shop")
    assert (ended.code, len(ended.error_lines)) == (2, 51)
    assert ended.error_lines[-1] == "gateway-auth: 10 more lines cannot be imported; nothing was"


def test_a_file_that_is_not_there_or_not_text_is_one_line(workspace: Workspace) -> None:
    workspace.app()
    missing = workspace.call("keys", "import", workspace.directory / "no.csv", "--app", "shop")
    assert (missing.code, len(missing.error_lines)) == (1, 1)
    binary = workspace.directory / "keys.csv"
    binary.write_bytes(b"key\n\xff\xfe")
    ended = workspace.call("keys", "import", binary, "--app", "shop")
    assert (ended.code, len(ended.error_lines)) == (2, 1)


def test_a_hash_whose_library_is_missing_is_refused(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.app()
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    file = written(workspace, "keys.csv", f"hash,start\n$2b$12${'a' * 53},sk_live_\n")
    ended = workspace.call("keys", "import", file, "--app", "shop", "--hash", "bcrypt")
    assert (ended.code, ended.out) == (2, "")
    assert "pip install bcrypt" in ended.err
