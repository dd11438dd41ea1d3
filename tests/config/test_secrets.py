"""Secrets: only references, only safe files, only strong values, and never shown."""

import copy
import os
import pickle
import traceback
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path

import pytest

from gateway_auth.config import load
from gateway_auth.config.secret import Secret, resolve
from gateway_auth.errors import ConfigError
from tests.config.writing import ENVIRON, PEPPER, loaded, problems, written

KEY = bytes(range(100, 132))
MAKE_ONE = 'python -c "import secrets; print(secrets.token_urlsafe(48))"'


def with_pepper(reference: object, **more: object) -> dict[str, object]:
    return {"secrets": {"pepper": reference, **more}}


def secret_file(folder: Path, content: bytes = PEPPER.encode(), mode: int = 0o600) -> Path:
    path = folder / "pepper"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "literal",
    [
        pytest.param("kT9vLq2XzR7mWc4BnD8sYf3HjP6gUa1E", id="random text"),
        pytest.param("ENV:GATEWAY_AUTH_PEPPER", id="a scheme in capitals"),
        pytest.param("https://kT9vLq2XzR7mWc4BnD8sYf3HjP6gUa1E", id="another scheme"),
        pytest.param("env:kT9vLq2XzR7m-Wc4BnD8sYf3HjP6gUa1E", id="no name of a variable"),
        pytest.param("file:  ", id="no path"),
    ],
)
@pytest.mark.parametrize("key", ["pepper", "encryption_key"])
def test_a_literal_secret_is_refused_and_not_repeated(literal: str, key: str) -> None:
    references: dict[str, object] = {"pepper": "env:GATEWAY_AUTH_PEPPER", key: literal}
    (problem,) = problems({"secrets": references})
    assert problem.startswith(f"secrets.{key}: ")
    assert "env:" in problem
    assert literal not in problem
    assert "kT9v" not in problem


def test_a_missing_pepper_is_a_problem_that_shows_a_reference() -> None:
    expected = ['secrets.pepper: is missing; write for example pepper = "env:GATEWAY_AUTH_PEPPER"']
    assert problems({}) == expected
    assert problems({"secrets": {}}) == expected


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        pytest.param({}, "environment variable P is not set", id="not set"),
        pytest.param({"P": ""}, "env:P is empty", id="empty"),
        pytest.param({"P": " \n"}, "env:P is empty", id="only spaces"),
        pytest.param({"P": "short-but-secret-kT9v"}, "is 21 bytes long and needs at least 32", id="too short"),
        pytest.param({"P": "abc" * 20}, "repeats itself", id="repeating"),
        pytest.param({"P": "changeme-0123456789-abcdefghijklmn"}, "a placeholder", id="changeme"),
        pytest.param({"P": "Please-Change_This-to-something-long"}, "a placeholder", id="change this"),
        pytest.param({"P": "your-secret-pepper-goes-here-0123456"}, "a placeholder", id="your secret"),
        pytest.param({"P": "correct-PASSWORD-battery-staple-4711"}, "a placeholder", id="password"),
    ],
)
def test_a_weak_or_absent_pepper_is_refused_and_not_repeated(environ: dict[str, str], words: str) -> None:
    (problem,) = problems(with_pepper("env:P"), environ)
    assert problem.startswith("secrets.pepper: ")
    assert words in problem
    assert all(value.strip() == "" or value not in problem for value in environ.values())


def test_a_refused_pepper_says_how_to_make_one() -> None:
    (problem,) = problems(with_pepper("env:P"), {"P": "short"})
    assert MAKE_ONE in problem
    assert "gateway-auth init" in problem


@pytest.mark.parametrize("key", ["pepper", "previous"])
def test_every_previous_pepper_is_weighed_too(key: str) -> None:
    source = with_pepper("env:GATEWAY_AUTH_PEPPER", previous_peppers=["env:GATEWAY_AUTH_PEPPER", "env:OLD"])
    (problem,) = problems(source, ENVIRON | {"OLD": key})
    assert problem.startswith("secrets.previous_peppers[1]: ")


def test_previous_peppers_still_verify() -> None:
    before = loaded(with_pepper("env:OLD"), OLD=PEPPER[::-1]).peppers
    digest = before.digest(b"key")
    after = loaded(with_pepper("env:GATEWAY_AUTH_PEPPER", previous_peppers=["env:OLD"]), OLD=PEPPER[::-1]).peppers
    assert after.verify(b"key", digest, before.current_id)
    assert after.current_id != before.current_id


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_one_newline_at_the_end_of_a_secret_file_does_not_count(tmp_path: Path, ending: bytes) -> None:
    path = secret_file(tmp_path, PEPPER.encode() + ending)
    assert loaded(with_pepper(f"file:{path}")).peppers.current_id == loaded(written()).peppers.current_id


def test_only_one_newline_is_taken_off(tmp_path: Path) -> None:
    path = secret_file(tmp_path, b"x\n\n")
    assert resolve(f"file:{path}", {}, tmp_path) == Secret(b"x\n")


def test_secret_files_are_relative_to_the_configuration(tmp_path: Path) -> None:
    secret_file(tmp_path)
    path = tmp_path / "gateway.toml"
    path.write_text('[secrets]\npepper = "file:pepper"\n')
    assert problems(path) == []


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_a_secret_file_its_owner_and_group_may_read_is_taken(tmp_path: Path, mode: int) -> None:
    assert problems(with_pepper(f"file:{secret_file(tmp_path, mode=mode)}")) == []


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o602, 0o666, 0o660])
def test_a_secret_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = secret_file(tmp_path, mode=mode)
    (problem,) = problems(with_pepper(f"file:{path}"))
    assert problem == f"secrets.pepper: secret file {path} is open to others (mode {mode:04o}): chmod 600 {path}"


def test_what_is_no_ordinary_file_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, words in [("pipe", "not a regular file"), (".", "regular file"), ("none", "No such file")]:
        (problem,) = problems(with_pepper(f"file:{tmp_path / name}"))
        assert words in problem


def test_a_secret_file_without_end_is_refused(tmp_path: Path) -> None:
    (problem,) = problems(with_pepper(f"file:{secret_file(tmp_path, os.urandom(70_000))}"))
    assert "is longer than 65536 bytes" in problem


def test_a_reference_to_a_file_beyond_a_null_is_refused() -> None:
    (problem,) = problems(with_pepper("file:a\0b"))
    assert "is not a reference" in problem


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b64encode(KEY).decode(), id="base64"),
        pytest.param(urlsafe_b64encode(KEY).decode(), id="of the other alphabet"),
        pytest.param(b64encode(KEY).decode().rstrip("="), id="without padding"),
        pytest.param(b64encode(KEY).decode() + "\n", id="with a newline"),
    ],
)
def test_an_encryption_key_of_32_bytes_is_taken(text: str) -> None:
    source = with_pepper("env:GATEWAY_AUTH_PEPPER", encryption_key="env:KEY")
    key = loaded(source, KEY=text).encryption_key
    assert key is not None
    assert key.reveal() == KEY


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(b64encode(KEY[:31]).decode(), "must be 32 bytes in base64", id="31 bytes"),
        pytest.param(b64encode(KEY + b"x").decode(), "must be 32 bytes in base64", id="33 bytes"),
        pytest.param(KEY.hex(), "must be 32 bytes in base64", id="hexadecimal"),
        pytest.param("kT9v!!!", "must be 32 bytes in base64", id="not base64"),
        pytest.param("kT9é", "must be 32 bytes in base64", id="not ASCII"),
        pytest.param(b64encode(bytes(32)).decode(), "repeats itself", id="zeros"),
    ],
)
def test_another_encryption_key_is_refused_and_not_repeated(text: str, words: str) -> None:
    source = with_pepper("env:GATEWAY_AUTH_PEPPER", encryption_key="env:KEY")
    (problem,) = problems(source, ENVIRON | {"KEY": text})
    assert problem.startswith("secrets.encryption_key: ")
    assert words in problem
    assert text not in problem


def test_a_secret_shows_itself_to_nobody_who_does_not_ask() -> None:
    secret = Secret(PEPPER.encode())
    assert PEPPER not in f"{secret!r} {secret} {[secret]} {vars(Secret)}"
    assert secret == Secret(PEPPER.encode())
    assert len({secret, Secret(PEPPER.encode()), Secret(b"other")}) == 2
    for give_away in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            give_away(secret)


def test_a_configuration_shows_no_secret() -> None:
    source = {
        "store": {"url": "postgresql://user:kT9vLq2X@host/db"},
        "secrets": {"pepper": "env:GATEWAY_AUTH_PEPPER", "encryption_key": "env:KEY"},
    }
    configuration = loaded(source, KEY=b64encode(KEY).decode())
    shown = f"{configuration!r} {configuration} {configuration.__rich_repr__()}"
    assert "kT9vLq2X" not in shown
    assert PEPPER not in shown
    assert repr(KEY) not in shown
    assert PEPPER not in repr(configuration.peppers)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.yaml", 'store: {url: "postgresql://u:kT9vLq2X@h/d", url: x}\n', id="yaml key twice"),
        pytest.param("a.yaml", 'store: {url: "kT9vLq2X\n', id="yaml syntax"),
        pytest.param("a.toml", '[store]\nurl = "postgresql://u:kT9vLq2X@h/d" x\n', id="toml syntax"),
        pytest.param("a.toml", '[store]\nurl = "postgres://u:kT9vLq2X@h/d"\n', id="store scheme"),
        pytest.param("a.toml", '[store]\nurl = "postgresql://u:kT9vLq2X@h:port/d"\n', id="store port"),
        pytest.param("a.toml", '[redis]\nurl = "http://:kT9vLq2X@h"\n', id="redis scheme"),
        pytest.param("a.toml", '[gateway]\nupstream = "http://u:kT9vLq2X@h"\n', id="upstream"),
        pytest.param("a.toml", '[secrets]\npepper = ["kT9vLq2X"]\nx = "kT9vLq2X"\n', id="wrong type, unknown key"),
        pytest.param("a.toml", '[[issuers]]\nsecret = "kT9vLq2X"\n', id="issuer"),
    ],
)
def test_no_message_or_traceback_repeats_what_may_be_a_secret(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load(path, environ=ENVIRON)
    assert "kT9vLq2X" not in "".join(traceback.format_exception(caught.value))
    assert "kT9vLq2X" not in f"{caught.value} {caught.value.problems}"
