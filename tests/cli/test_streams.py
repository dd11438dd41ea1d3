"""A stdout that is full, closed or of a narrow encoding, a stdin that is not there: no secret is lost in silence."""

from __future__ import annotations

import subprocess

import pytest

from tests.cli.command import Workspace, command, environment


def said(workspace: Workspace, words: str, redirection: str, **variables: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command whose streams a shell has redirected."""
    script = f'exec "$@" {redirection}'
    arguments = command(*words.split(), "-c", workspace.config)
    ended = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *arguments], env=environment(**variables), capture_output=True,
        encoding="utf-8", check=False, timeout=30,
    )  # fmt: skip
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
@pytest.mark.parametrize("form", ["", " --json"])
def test_a_secret_that_could_not_be_printed_is_told_how_to_stop(
    workspace: Workspace, redirection: str, form: str
) -> None:
    code, _, err = said(workspace, f"keys create --app {workspace.app()}{form}", redirection)
    (key,) = workspace.call("keys", "list", "--json").json
    assert (code, err.count("\n")) == (1, 1)
    assert err.endswith(f": gateway-auth keys revoke {key['id']}\n")


def test_a_rotation_that_could_not_be_printed_is_told_how_to_undo(workspace: Workspace) -> None:
    old = workspace.key(workspace.app())["id"]
    code, _, err = said(workspace, f"keys rotate {old}", ">/dev/full")
    assert code == 1
    assert err.endswith(f" && gateway-auth keys enable {old}\n")


def test_an_admin_whose_token_could_not_be_printed_gets_another(workspace: Workspace) -> None:
    code, _, err = said(workspace, "admins create alice --role admin", ">/dev/full")
    (admin,) = workspace.call("admins", "list", "--json").json
    assert code == 1
    assert err.endswith(f": gateway-auth admins rotate {admin['id']}\n")


def test_output_that_cannot_be_written_is_one_line(workspace: Workspace) -> None:
    code, _, err = said(workspace, "keys list --json", ">/dev/full")
    assert (code, err) == (
        1, "gateway-auth: the output cannot be written: No space left on device; what there is of it is not whole\n"
    )  # fmt: skip


def test_without_a_stdin_there_is_no_key(workspace: Workspace) -> None:
    code, _, err = said(workspace, "keys verify", "<&-")
    assert (code, err) == (2, "gateway-auth: stdin is empty; write the key to it\n")


def test_without_any_stream_the_exit_code_still_tells(workspace: Workspace) -> None:
    assert said(workspace, "apps show nobody", "<&- >&- 2>&-")[0] == 1
    assert said(workspace, "apps delete nobody --yes", "<&- 2>&-")[0] == 1


def test_a_name_that_stdout_cannot_spell_is_escaped(workspace: Workspace) -> None:
    workspace.app("naïve")
    code, out, _ = said(workspace, "apps list", "", PYTHONIOENCODING="ascii")
    assert code == 0
    assert "na\\xefve" in out
