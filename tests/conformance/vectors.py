"""Where cases come from: the project's own tables beside this file, and the shared set where it is to be found."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from gateway_auth.core.keyformat import KEY_IDS, SECRETS, KeyFormat

HERE = Path(__file__).resolve().parent
OWN = HERE / "vectors"
VARIABLE = "GATEWAY_AUTH_VECTORS"
UNKNOWN_KEY = KeyFormat().mint("live", KEY_IDS // 3, SECRETS // 5).text

_PLACEHOLDER = re.compile(r"\{([A-Za-z0-9_.:*]+)\}")

Case = dict[str, Any]
"""One object of a table, as JSON has it."""


def shared_folder() -> Path | None:
    """The folder of the shared set, or None where it is not."""
    named = os.environ.get(VARIABLE)
    folder = Path(named) if named else HERE.parents[2] / "shared" / "vectors"
    return folder if (folder / "own").is_dir() else None


@cache
def shared(name: str) -> tuple[Case, ...]:
    """The cases of one shared file; none where the set is absent."""
    folder = shared_folder()
    if folder is None:
        return ()
    cases = json.loads((folder / "own" / f"{name}_cases.json").read_text("utf-8"))["cases"]
    assert cases, f"{name}_cases.json holds no case"
    return tuple(cases)


@cache
def own() -> tuple[Case, ...]:
    """The project's tables, by file name."""
    return tuple({"name": path.stem, **json.loads(path.read_text("utf-8"))} for path in sorted(OWN.glob("*.json")))


def fill(text: str, keys: dict[str, str]) -> bytes:
    """`text` with `{KEY}`, `{KEY2:trunc1}`, `{BADKEY}`, `{key.NAME:wrong}` and the rest of the placeholders put in."""
    return _PLACEHOLDER.sub(lambda match: _value(match[1], keys), text).encode()


def fill_bytes(raw: bytes, keys: dict[str, str]) -> bytes:
    """The same in bytes that are no text."""
    return fill(raw.decode("latin-1"), keys).decode("utf-8").encode("latin-1")


def _value(spelled: str, keys: dict[str, str]) -> str:
    if spelled.startswith("A*"):
        return "a" * int(spelled[2:])
    if spelled == "B64::KEY":
        return base64.b64encode(f":{keys['KEY']}".encode()).decode()
    name, _, modifier = spelled.partition(":")
    if name == "JWT":
        return keys[spelled]
    text = UNKNOWN_KEY if name == "BADKEY" else keys[name.removeprefix("key.")]
    return _MODIFIERS[modifier](text)


_MODIFIERS: dict[str, Callable[[str], str]] = {
    "": lambda text: text,
    "trunc1": lambda text: text[:-1],
    "prefix": lambda text: "_".join(text.split("_")[:3]),
    "upper": str.upper,
    "lastflip": lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"),
    "innerspace": lambda text: f"{text[:30]} {text[30:]}",
    "fullwidth": lambda text: "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in text),
    "pct": lambda text: "".join(f"%{ord(c):02X}" for c in text),
    "quoted": lambda text: text.replace("_", "%5F"),
    "sha256": lambda text: hashlib.sha256(text.encode()).hexdigest(),
    "id": lambda text: key_id(text),
    "wrong": lambda text: with_other_secret(text),
}


def key_id(text: str) -> str:
    """The public part of a key."""
    return text.split("_")[2]


def with_other_secret(text: str) -> str:
    """Well formed, the same key id, a right checksum, and a secret that is not the key's."""
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    number = 0
    for letter in key_id(text):
        number = number * 62 + alphabet.index(letter)
    minted = KeyFormat(text.split("_")[0]).mint(text.split("_")[1], number, SECRETS // 7)
    assert minted.key_id == key_id(text)
    return minted.text
