"""Finds secrets of ours in bytes: their forms stand here and nowhere else. It knows no file and no store.

Only what is complete and has a right checksum is a secret: a look-alike passes for one once in 2^32. Text in UTF-16 of
either byte order is read too. What is encoded otherwise (base64, percent signs) is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from gateway_auth.core.keyformat import CHECKSUM_LENGTH, ENVIRONMENTS, KEY_ID_LENGTH, SECRET_LENGTH, checksum

LeakKind = Literal["api_key", "admin_token"]

_TAIL = SECRET_LENGTH + CHECKSUM_LENGTH


class SecretForm(Struct, frozen=True):
    """`<prefix>_[<environment>_]<12 id>_<32 secret><6 checksum>`; one without environments has no such part."""

    kind: LeakKind
    prefix: str
    environments: tuple[str, ...] = ()


ADMIN_TOKEN = SecretForm("admin_token", "gwadm")
LONGEST_BYTES = 2 * (16 + 1 + 5 + KEY_ID_LENGTH + 1 + _TAIL)
"""What the longest secret takes: of the longest prefix (`keyformat`), in UTF-16."""


def key_form(prefix: str) -> SecretForm:
    """The form of API keys with this prefix."""
    return SecretForm("api_key", prefix, ENVIRONMENTS)


class Leak(Struct, frozen=True):
    """A secret that was found. `start` counts from the first of the bytes searched; `text` is the secret itself."""

    kind: LeakKind
    prefix: str
    environment: str | None
    id: str
    start: int
    is_wide: bool
    text: bytes

    def __repr__(self) -> str:
        return f"Leak(kind={self.kind!r}, id={self.id!r}, start={self.start})"


class LeakFinder:
    """Finds the secrets of some forms."""

    __slots__ = ("_look_alikes", "_narrow", "_wide")

    def __init__(self, forms: Iterable[SecretForm]) -> None:
        distinct = tuple(dict.fromkeys(forms))
        self._narrow = [(form, _pattern(form, gap="")) for form in distinct]
        self._wide = [(form, _pattern(form, gap=r"\x00")) for form in distinct]
        self._look_alikes = [re.compile(rf"({_head(form)}[0-9A-Za-z]{{12}}_)[0-9A-Za-z]{{8,}}") for form in distinct]

    def find(self, data: bytes) -> list[Leak]:
        """Every secret in `data`, in the order they stand in."""
        leaks = [
            leak
            for form, pattern in self._narrow
            for match in pattern.finditer(data)
            if (leak := _leak(form, match.start(), match.group() + match.group(1), is_wide=False))
        ]
        if b"\0" in data:  # in text there is none, and that is known far sooner than a second search ends
            leaks += [
                leak
                for form, pattern in self._wide
                for match in pattern.finditer(data)
                if (leak := _leak(form, match.start(), (match.group() + b"\0" + match.group(1))[::2], is_wide=True))
            ]
        leaks.sort(key=lambda leak: leak.start)
        return leaks

    def redact(self, text: str) -> str:
        """`text`, a file's name, with the secret of all that looks like one of ours taken out, cut ones too."""
        for look_alike in self._look_alikes:
            text = look_alike.sub(r"\1[redacted]", text)
        return text


def _leak(form: SecretForm, start: int, text: bytes, *, is_wide: bool) -> Leak | None:
    if checksum(text[:-CHECKSUM_LENGTH]).encode() != text[-CHECKSUM_LENGTH:]:
        return None
    parts = text.decode("ascii").split("_")
    return Leak(form.kind, form.prefix, parts[1] if form.environments else None, parts[-2], start, is_wide, text)


def _head(form: SecretForm) -> str:
    environment = f"(?:{'|'.join(form.environments)})_" if form.environments else ""
    return f"{form.prefix}_{environment}"


def _pattern(form: SecretForm, *, gap: str) -> re.Pattern[bytes]:
    """The head is consumed and the rest only looked at, so that a key which begins in the tail of another is found.

    `gap` stands between any two characters.
    """
    environments = "|".join(gap.join(name) for name in form.environments)
    head = [*form.prefix, "_", *([f"(?:{environments})", "_"] if environments else [])]
    rest = [*(["[0-9A-Za-z]"] * KEY_ID_LENGTH), "_", *(["[0-9A-Za-z]"] * _TAIL)]
    return re.compile(f"{gap.join(head)}(?={gap}({gap.join(rest)}))".encode())
