"""Where keys come from: an address, a file, metadata. What is not this issuer's own, or cannot be read, is not used."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from gateway_auth.adapters.issuers.addresses import metadata_addresses
from gateway_auth.adapters.issuers.discovery import METADATA_SECONDS, DiscoverySource
from gateway_auth.adapters.issuers.fetch import MAX_BYTES, Fetcher
from gateway_auth.adapters.issuers.sources import AddressSource, FileSource, StaticSource
from gateway_auth.core.strict_json import parse_object
from gateway_auth.errors import IssuerUnavailable
from gateway_auth.ports import KeySetSource, VerificationKey
from tests.adapters.issuer_server import IssuerServer, answer, jwks, redirect, silence
from tests.fakes import FakeClock
from tests.proxy.upstreams import Upstream

OPENID, OAUTH = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"


class Named:
    """ports.VerificationKey that is nothing but its name."""

    algorithm = "ES256"

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id

    def verify(self, signing_input: bytes, signature: bytes) -> bool:
        return False


def read_names(document: bytes) -> Sequence[VerificationKey]:
    """A key for each name in `keys`."""
    keys = (parse_object(document) or {}).get("keys")
    if not isinstance(keys, list):
        raise ValueError("no_keys")
    return [Named(name) for name in keys]


async def names(source: KeySetSource) -> list[str | None]:
    return [key.key_id for key in await source.fetch()]


@pytest.fixture
async def server() -> AsyncIterator[IssuerServer]:
    async with IssuerServer() as server:
        yield server


# -- the configuration, an address ---------------------------------------------------------------------------------


async def test_keys_of_the_configuration_are_always_the_same() -> None:
    key = Named("a")
    source = StaticSource([key])
    assert list(await source.fetch()) == list(await source.fetch()) == [key]


async def test_an_address_is_asked_each_time(server: IssuerServer) -> None:
    source = AddressSource("corp", f"{server.url}/jwks", Fetcher("corp"), read_names)
    server.publish("a")
    assert await names(source) == ["a"]
    server.publish("b")
    assert await names(source) == ["b"]


async def test_the_same_document_gives_the_same_keys(server: IssuerServer) -> None:
    """Nobody is told of a change that is none."""
    source = AddressSource("corp", f"{server.url}/jwks", Fetcher("corp"), read_names)
    server.publish("a")
    [first] = await source.fetch()
    [second] = await source.fetch()
    assert first is second


NO_KEY_SETS = {
    "no JSON": b"<html>",
    "nothing": b"",
    "an array": b"[]",
    "another object": b'{"error":"try again"}',
    "members twice": b'{"keys":[],"keys":["a"]}',
    "keys that are an object": b'{"keys":{"a":1}}',
}


@pytest.mark.parametrize("document", NO_KEY_SETS.values(), ids=NO_KEY_SETS)
async def test_what_is_no_key_set_is_an_outage_once_there_was_one(server: IssuerServer, document: bytes) -> None:
    source = AddressSource("corp", f"{server.url}/jwks", Fetcher("corp"), read_names)
    server.publish("a")
    await source.fetch()
    server.pages["/jwks"] = answer(document)
    for _ in range(2):
        with pytest.raises(IssuerUnavailable, match="issuer corp: what it publishes is no key set"):
            await source.fetch()
    server.publish("a", "b")
    assert await names(source) == ["a", "b"]


@pytest.mark.parametrize("document", list(NO_KEY_SETS.values())[:-1], ids=list(NO_KEY_SETS)[:-1])
async def test_what_is_no_key_set_is_an_outage_from_the_start(server: IssuerServer, document: bytes) -> None:
    server.pages["/jwks"] = answer(document)
    with pytest.raises(IssuerUnavailable):
        await AddressSource("corp", f"{server.url}/jwks", Fetcher("corp"), read_names).fetch()


async def test_an_issuer_whose_first_key_set_lists_none_has_none(
    server: IssuerServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It answers, so nothing is down: its tokens are bad. That it should publish otherwise is told."""
    server.pages["/jwks"] = answer(b'{"keys":{"a":1}}')
    source = AddressSource("corp", f"{server.url}/jwks", Fetcher("corp"), read_names)
    assert await names(source) == []
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    server.publish("a")
    assert await names(source) == ["a"]


# -- a file --------------------------------------------------------------------------------------------------------


async def test_a_file_is_read_each_time_whatever_its_time_stamp_says(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    source = FileSource("corp", str(file), read_names)
    for name in ("a", "b", "c"):
        file.write_bytes(jwks(name))
        os.utime(file, (1, 1))
        assert await names(source) == [name]


async def test_a_file_that_is_replaced_or_a_link_that_is_moved_is_seen(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(jwks(name))
        link = tmp_path / "new"
        link.symlink_to(tmp_path / name)
        link.rename(tmp_path / "jwks.json")
        assert await names(FileSource("corp", str(tmp_path / "jwks.json"), read_names)) == [name]


async def test_a_file_that_cannot_be_used_is_an_outage_told_with_its_path(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    source = FileSource("corp", str(file), read_names)
    with pytest.raises(IssuerUnavailable, match=r"jwks\.json: No such file"):
        await source.fetch()
    file.write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(IssuerUnavailable, match=r"jwks\.json: is longer than"):
        await source.fetch()
    file.write_bytes(b"half a fi")
    with pytest.raises(IssuerUnavailable, match="no key set"):
        await source.fetch()
    file.write_bytes(jwks("a"))
    assert await names(source) == ["a"]


async def test_a_pipe_and_a_folder_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in ("pipe", "."):
        with pytest.raises(IssuerUnavailable, match=r"is no ordinary file|Is a directory"):
            await asyncio.wait_for(FileSource("corp", str(tmp_path / place), read_names).fetch(), 5)


# -- metadata ------------------------------------------------------------------------------------------------------


def metadata(server: IssuerServer, **members: object) -> bytes:
    return answer(json.dumps({"issuer": server.url, "jwks_uri": f"{server.url}/jwks"} | members).encode())


def discovery(server: IssuerServer, clock: FakeClock | None = None, path: str = "") -> DiscoverySource:
    return DiscoverySource("corp", server.url + path, Fetcher("corp"), read_names, clock or FakeClock())


WELL_KNOWN = {
    "https://idp.example.com": (OPENID, OAUTH),
    "https://idp.example.com/": (OPENID, OAUTH),
    "https://idp.example.com/tenant": (f"/tenant{OPENID}", f"{OAUTH}/tenant"),
    "https://idp.example.com/a/b/": (f"/a/b{OPENID}", f"{OAUTH}/a/b"),
    "https://idp.example.com:8443/a%2Fb": (f":8443/a%2Fb{OPENID}", f":8443{OAUTH}/a%2Fb"),
}


@pytest.mark.parametrize(("issuer", "expected"), WELL_KNOWN.items(), ids=WELL_KNOWN)
def test_where_metadata_is(issuer: str, expected: tuple[str, str]) -> None:
    assert metadata_addresses(issuer) == tuple(f"https://idp.example.com{path}" for path in expected)


@pytest.mark.parametrize("path", ["", "/tenant", "/tenant/"], ids=["root", "path", "path with slash"])
@pytest.mark.parametrize("is_openid", [True, False], ids=["openid", "oauth"])
async def test_keys_are_found_by_either_kind_of_metadata(server: IssuerServer, path: str, is_openid: bool) -> None:
    at = metadata_addresses(server.url + path)[0 if is_openid else 1].removeprefix(server.url)
    server.pages[at] = metadata(server, issuer=server.url + path)
    server.publish("a")
    source = discovery(server, path=path)
    assert await names(source) == ["a"]
    server.asked.clear()
    assert await names(source) == ["a"]
    assert server.asked == ["/jwks"], "metadata is remembered"


async def test_metadata_is_read_again_when_it_is_old_first_where_it_was(server: IssuerServer) -> None:
    clock = FakeClock()
    server.pages[OAUTH] = metadata(server)
    server.publish("a")
    source = discovery(server, clock)
    await source.fetch()
    assert server.asked == [OPENID, OAUTH, "/jwks"]
    clock.advance(METADATA_SECONDS)
    await source.fetch()
    assert server.asked[3:] == [OAUTH, "/jwks"]


async def test_old_metadata_serves_while_newer_cannot_be_had(server: IssuerServer) -> None:
    clock = FakeClock()
    server.pages[OPENID] = metadata(server)
    server.publish("a")
    source = discovery(server, clock)
    await source.fetch()
    clock.advance(METADATA_SECONDS)
    server.pages[OPENID] = answer(b"", status=500)
    assert await names(source) == ["a"]


async def test_keys_that_moved_are_found_at_once(server: IssuerServer) -> None:
    server.pages[OPENID] = metadata(server)
    server.publish("a")
    source = discovery(server)
    await source.fetch()
    del server.pages["/jwks"]
    server.pages |= {"/moved": answer(jwks("b")), OPENID: metadata(server, jwks_uri=f"{server.url}/moved")}
    assert await names(source) == ["b"]
    server.asked.clear()
    assert await names(source) == ["b"]
    assert server.asked == ["/moved"]


async def test_keys_that_are_down_are_asked_for_once_per_fetch(server: IssuerServer) -> None:
    server.pages[OPENID] = metadata(server)
    server.publish("a")
    source = discovery(server)
    await source.fetch()
    server.asked.clear()
    server.pages["/jwks"] = answer(b"", status=500)
    with pytest.raises(IssuerUnavailable, match="/jwks: answered 500"):
        await source.fetch()
    assert server.asked == ["/jwks", OPENID]


async def test_keys_that_are_down_from_the_start_are_an_outage(server: IssuerServer) -> None:
    server.pages[OPENID] = metadata(server)
    with pytest.raises(IssuerUnavailable, match="/jwks: answered 404"):
        await discovery(server).fetch()
    assert server.asked == [OPENID, "/jwks"]


OTHERS = {
    "another host": "https://evil.example.com",
    "a slash more": "{url}/",
    "another case": "HTTP{rest}",
    "a path more": "{url}/tenant",
    "a character that looks the same": "{url}\u200b",
    "nothing": "",
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
async def test_metadata_of_another_issuer_is_not_used_and_that_is_told(
    server: IssuerServer, caplog: pytest.LogCaptureFixture, other: str
) -> None:
    name = other.format(url=server.url, rest=server.url.removeprefix("http"))
    for path in (OPENID, OAUTH):
        server.pages[path] = metadata(server, issuer=name or None)
    server.publish("a")
    with pytest.raises(IssuerUnavailable, match="is that of another issuer"):
        await discovery(server).fetch()
    assert "/jwks" not in server.asked
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert f'must be exactly "{server.url}"' in record.message


async def test_an_issuer_whose_metadata_becomes_anothers_is_no_longer_asked_for_keys(server: IssuerServer) -> None:
    clock = FakeClock()
    server.pages[OPENID] = metadata(server)
    server.publish("a")
    source = discovery(server, clock)
    await source.fetch()
    server.pages[OPENID] = metadata(server, issuer="https://evil.example.com")
    clock.advance(METADATA_SECONDS)
    server.asked.clear()
    for _ in range(2):
        with pytest.raises(IssuerUnavailable, match="another issuer"):
            await source.fetch()
    assert "/jwks" not in server.asked
    server.pages[OPENID] = metadata(server)
    assert await names(source) == ["a"]


async def test_metadata_of_another_beside_the_right_one_does_no_harm(
    server: IssuerServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A host of many issuers may answer for all of them where it does not know one."""
    server.pages |= {
        OPENID: metadata(server, issuer=f"{server.url}/other", jwks_uri=f"{server.url}/other"),
        OAUTH: metadata(server),
    }
    server.publish("a")
    assert await names(discovery(server)) == ["a"]
    assert not caplog.records


BAD_METADATA = {
    "no JSON": (answer(b"<html>"), "is no JSON object"),
    "an array": (answer(b"[]"), "is no JSON object"),
    "a member twice": (answer(b'{"issuer":"a","issuer":"b"}'), "can be read in two ways"),
    "HTML": (answer(b"<html>", content_type="text/html"), "is not JSON by its content type"),
    "500": (answer(b"", status=500), "answered 500"),
}


@pytest.mark.parametrize(("page", "cause"), BAD_METADATA.values(), ids=BAD_METADATA)
async def test_metadata_that_cannot_be_read_is_an_outage(server: IssuerServer, page: bytes, cause: str) -> None:
    server.pages[OPENID] = page
    with pytest.raises(IssuerUnavailable, match=cause):
        await discovery(server).fetch()


@pytest.mark.parametrize(
    ("jwks_uri", "cause"),
    [
        (None, "names no jwks_uri"),
        (7, "names no jwks_uri"),
        ("", "jwks_uri is not the address"),
        ("http://idp.example.com/jwks", "jwks_uri is not https"),
        ("http://169.254.169.254/latest/meta-data", "jwks_uri is not https"),
        ("file:///etc/passwd", "jwks_uri is not"),
        ("https://a:b@idp.example.com/jwks", "jwks_uri is not the address"),
    ],
)
async def test_a_jwks_uri_that_may_not_be_asked_is_not(server: IssuerServer, jwks_uri: object, cause: str) -> None:
    server.pages[OPENID] = metadata(server, jwks_uri=jwks_uri)
    with pytest.raises(IssuerUnavailable, match=cause):
        await discovery(server).fetch()


async def test_an_issuer_elsewhere_cannot_send_us_to_a_plain_door_of_this_machine() -> None:
    class Elsewhere(Fetcher):
        async def get(self, address: str, what: str) -> bytes:
            asked.append(address)
            return json.dumps({"issuer": "https://idp.example.com", "jwks_uri": canary.url}).encode()

    asked: list[str] = []
    async with Upstream(silence) as canary:
        source = DiscoverySource("corp", "https://idp.example.com", Elsewhere("corp"), read_names, FakeClock())
        with pytest.raises(IssuerUnavailable, match="its jwks_uri is not https"):
            await source.fetch()
    assert canary.wires == []
    assert canary.url not in asked


async def test_redirected_metadata_is_not_followed(server: IssuerServer) -> None:
    async with Upstream(silence) as canary:
        server.pages |= {OPENID: redirect(302, canary.url), OAUTH: redirect(307, canary.url)}
        with pytest.raises(IssuerUnavailable, match=r"answered 302.*answered 307"):
            await discovery(server).fetch()
    assert canary.wires == []
