"""A mobile app names itself completely, once, and exactly."""

from __future__ import annotations

import pytest

from gateway_auth.core.mobile import is_application_allowed, parse_android, parse_ios

SHA1 = "AB12" * 10
COLONS = ":".join(SHA1[i : i + 2] for i in range(0, 40, 2))
ANDROID = frozenset((f"com.example.app:{SHA1}",))
IOS = frozenset(("com.example.App",))

# (package, certificate, bundle, expected)
CASES = {
    "android": ("com.example.app", SHA1, None, True),
    "android, lower case": ("com.example.app", SHA1.lower(), None, True),
    "android, with colons": ("com.example.app", COLONS, None, True),
    "android, lower case with colons": ("com.example.app", COLONS.lower(), None, True),
    "package of another case": ("com.example.App", SHA1, None, False),
    "other package": ("com.example.app2", SHA1, None, False),
    "other certificate": ("com.example.app", "0" * 40, None, False),
    "package alone": ("com.example.app", None, None, False),
    "certificate alone": (None, SHA1, None, False),
    "short certificate": ("com.example.app", SHA1[:39], None, False),
    "long certificate": ("com.example.app", SHA1 + "0", None, False),
    "endless certificate": ("com.example.app", ":" * 5000 + SHA1, None, False),
    "spaced certificate": ("com.example.app", SHA1 + " ", None, False),
    "empty certificate": ("com.example.app", "", None, False),
    "certificate inside the package": (f"com.example.app:{SHA1}", "", None, False),
    "package came twice": ("\x00", SHA1, None, False),
    "ios": (None, None, "com.example.App", True),
    "bundle of another case": (None, None, "com.example.app", False),
    "empty bundle": (None, None, "", False),
    "bundle came twice": (None, None, "\x00", False),
    "two apps": ("com.example.app", SHA1, "com.example.App", False),
    "bundle and package": ("com.example.app", None, "com.example.App", False),
    "bundle and certificate": (None, SHA1, "com.example.App", False),
    "nothing": (None, None, None, False),
}


@pytest.mark.parametrize(("package", "cert", "bundle", "expected"), CASES.values(), ids=CASES)
def test_an_app_is_allowed_when_it_names_itself(
    package: str | None, cert: str | None, bundle: str | None, expected: bool
) -> None:
    said = [None if text is None else text.encode() for text in (package, cert, bundle)]
    assert is_application_allowed(ANDROID, IOS, said[0], said[1], said[2]) is expected


def test_an_app_of_one_system_does_not_pass_for_the_other() -> None:
    assert not is_application_allowed(frozenset(), IOS, b"com.example.app", SHA1.encode(), None)
    assert not is_application_allowed(ANDROID, frozenset(), None, None, b"com.example.App")


@pytest.mark.parametrize("fingerprint", [SHA1, SHA1.lower(), COLONS, COLONS.lower()])
def test_an_android_app_has_one_spelling(fingerprint: str) -> None:
    assert parse_android(f"com.example.app:{fingerprint}") == f"com.example.app:{SHA1}"


@pytest.mark.parametrize(
    "text",
    [
        "", "com.example.app", f"app:{SHA1}", f"com..app:{SHA1}", f"1com.example:{SHA1}", f"com.example.app:{SHA1}0",
        "com.example.app:XYZ", f"com.exämple.app:{SHA1}", f"com.example.app :{SHA1}", "a." * 200 + f"b:{SHA1}",
        f"com.example.app:{SHA1}\n",
    ],
    ids=range(11),
)  # fmt: skip
def test_what_is_no_android_app_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an Android app"):
        parse_android(text)


def test_a_bundle_identifier_is_itself() -> None:
    assert parse_ios("com.example.My-App2") == "com.example.My-App2"


@pytest.mark.parametrize(
    "text", ["", "app", "com.exa_mple", "com..app", "com.example.", "a." * 200 + "b", "com.exämple"]
)
def test_what_is_no_bundle_identifier_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a bundle identifier"):
        parse_ios(text)
