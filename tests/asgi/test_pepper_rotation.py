"""A pepper is replaced while the gateway runs: two verify, keys move to the new one as they are used."""

from __future__ import annotations

from pathlib import Path
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Any

from gateway_auth import GatewayAuth
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.keyhash import pepper_id
from tests.asgi.raw import get, lifespan
from tests.asgi.world import PEPPER, Echo, Site

ALPHABET = digits + ascii_uppercase + ascii_lowercase
NEW_PEPPER = b"another pepper, thirty-two bytes and more of it"


def secret_file(path: Path, content: bytes) -> str:
    """A reference to a new secret."""
    path.touch(mode=0o600)
    path.write_bytes(content)
    return f"file:{path}"


def with_peppers(site: Site, *peppers: bytes) -> dict[str, Any]:
    """The configuration with the first pepper as the current one and the others as previous."""
    references = [secret_file(site.directory / f"pepper{number}", pepper) for number, pepper in enumerate(peppers)]
    return {**site.config(), "secrets": {"pepper": references[0], "previous_peppers": references[1:]}}


async def made_with(site: Site, kind: str) -> str:
    """The name of the pepper of a key's digest."""
    store = site.open_store()
    try:
        found = (await store.read_key(site.ids[kind])).key
        assert found is not None
        return found.pepper_id
    finally:
        await store.close()


async def test_a_key_that_is_used_moves_to_the_current_pepper_and_then_needs_no_other(
    site: Site, key: dict[str, str]
) -> None:
    both = GatewayAuth(Echo(), config=with_peppers(site, NEW_PEPPER, PEPPER))
    async with lifespan(both):
        for _ in range(2):
            assert (await get(both, "/known", key["reader"])).status == 200
    assert await made_with(site, "reader") == pepper_id(NEW_PEPPER)
    assert await made_with(site, "analyst") == pepper_id(PEPPER)
    alone = GatewayAuth(Echo(), config=with_peppers(site, NEW_PEPPER))
    async with lifespan(alone):
        assert (await get(alone, "/known", key["reader"])).status == 200
        assert (await get(alone, "/known", key["analyst"])).refusal == (401, "invalid_credential")


async def test_a_wrong_secret_moves_nothing(site: Site, key: dict[str, str]) -> None:
    gateway = GatewayAuth(Echo(), config=with_peppers(site, NEW_PEPPER, PEPPER))
    async with lifespan(gateway):
        assert (await get(gateway, "/known", with_another_secret(key["reader"]))).refusal == (401, "invalid_credential")
    assert await made_with(site, "reader") == pepper_id(PEPPER)


def with_another_secret(text: str) -> str:
    """A well-formed key of the same id that was never issued."""
    number = 0
    for char in text.split("_")[2]:
        number = number * len(ALPHABET) + ALPHABET.index(char)
    minted = KeyFormat("gwk").mint("live", number, 1)
    assert minted.key_id == text.split("_")[2]
    return minted.text
