"""Addresses are one integer each, lists of them are closed, and a client cannot choose its own behind a proxy."""

from __future__ import annotations

from bisect import bisect_right
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.malformed import Malformed
from gateway_auth.core.network import (
    MAX_HOPS,
    Address,
    AddressSet,
    client_address,
    format_address,
    format_neighbourhood,
    is_ipv4,
    is_network_allowed,
    neighbourhood_of,
    network_of,
    parse_address,
    parse_peer,
    permitted,
)
from tests.fakes import address

NOBODY = AddressSet(())
PROXIES = AddressSet(("10.0.0.0/8", "::1"))
PROXY = address("10.0.0.5")

ODD_SPELLINGS = [
    "",
    " ",
    "0198.51.100.1",
    "198.051.100.1",
    "3325256705",
    "0xc6336401",
    "0306.063.0144.01",
    "198.51.100",
    "198.51.100.1.",
    ".198.51.100.1",
    "198.51.100.1/32",
    "198.51.100.256",
    "198.51.100.-1",
    "198.51.100.1 ",
    " 198.51.100.1",
    "198.51..1",
    "198.51.100.1\u200b",
    "\uff11\uff19\uff18.51.100.1",
    "198.51.100.\u0661",
    "localhost",
    "unknown",
    "_hidden",
    "::1%eth0",
    "fe80::1%1",
    "::g",
    ":::1",
    "1:2:3:4:5:6:7:8:9",
    "1::2::3",
    "::1/128",
    "[::1]",
    "::ffff:198.051.100.1",
    "12345::",
    "::ffff:1.2.3.4.5",
    "0000:0000:0000:0000:0000:ffff:0198.051.100.001",
    "a" * 5000,
]

# (style, peer, header, expected): None stands for a refused request. Proxies are 10.0.0.0/8 and ::1.
TOLD = {
    "one hop": ("x-forwarded-for", "10.0.0.5", "198.51.100.1", "198.51.100.1"),
    "spoofed left part": ("x-forwarded-for", "10.0.0.5", "127.0.0.1, 198.51.100.1", "198.51.100.1"),
    "garbage left of the client": ("x-forwarded-for", "10.0.0.5", "rubbish, , 198.51.100.1", "198.51.100.1"),
    "two lines": ("x-forwarded-for", "10.0.0.5", "127.0.0.1,198.51.100.1, 10.0.0.9", "198.51.100.1"),
    "all hops trusted": ("x-forwarded-for", "10.0.0.5", "10.0.0.7, 10.0.0.9", "10.0.0.7"),
    "empty": ("x-forwarded-for", "10.0.0.5", "", "10.0.0.5"),
    "blank": ("x-forwarded-for", "10.0.0.5", " \t ", "10.0.0.5"),
    "garbage in the deciding place": ("x-forwarded-for", "10.0.0.5", "198.51.100.1, unknown", None),
    "garbage between trusted hops": ("x-forwarded-for", "10.0.0.5", "198.51.100.1, oops, 10.0.0.9", None),
    "empty in the deciding place": ("x-forwarded-for", "10.0.0.5", "198.51.100.1,", None),
    "with port": ("x-forwarded-for", "10.0.0.5", "198.51.100.1:4711", "198.51.100.1"),
    "port too long": ("x-forwarded-for", "10.0.0.5", "198.51.100.1:471100", None),
    "port without number": ("x-forwarded-for", "10.0.0.5", "198.51.100.1:", None),
    "IPv6 with brackets and port": ("x-forwarded-for", "10.0.0.5", "[2001:db8::1]:4711", "2001:db8::1"),
    "IPv6 with brackets": ("x-forwarded-for", "10.0.0.5", "[2001:db8::1]", "2001:db8::1"),
    "IPv6 in half a bracket": ("x-forwarded-for", "10.0.0.5", "[2001:db8::1", None),
    "IPv6 in long form": ("x-forwarded-for", "10.0.0.5", "2001:0DB8:0:0:0:0:0:1", "2001:db8::1"),
    "mapped peer": ("x-forwarded-for", "::ffff:10.0.0.5", "198.51.100.1", "198.51.100.1"),
    "mapped hop": ("x-forwarded-for", "10.0.0.5", "198.51.100.1, ::ffff:10.0.0.9", "198.51.100.1"),
    "mapped client": ("x-forwarded-for", "10.0.0.5", "::ffff:198.51.100.1", "198.51.100.1"),
    "trusted IPv6 hop": ("x-forwarded-for", "::1", "198.51.100.1, ::1", "198.51.100.1"),
    "octal": ("x-forwarded-for", "10.0.0.5", "0198.51.100.1", None),
    "zone": ("x-forwarded-for", "10.0.0.5", "fe80::1%eth0", None),
    "network": ("x-forwarded-for", "10.0.0.5", "198.51.100.1/32", None),
    "unix peer": ("x-forwarded-for", None, "198.51.100.1", "198.51.100.1"),
    "unix peer, nothing said": ("x-forwarded-for", None, "", None),
    "as many hops as allowed": ("x-forwarded-for", "10.0.0.5", ",".join(["10.0.0.1"] * MAX_HOPS), "10.0.0.1"),
    "one hop too many": ("x-forwarded-for", "10.0.0.5", ",".join(["10.0.0.1"] * (MAX_HOPS + 1)), None),
    "single-value header": ("cf-connecting-ip", "10.0.0.5", "198.51.100.1", "198.51.100.1"),
    "single-value header of a proxy": ("cf-connecting-ip", "10.0.0.5", "10.9.9.9", "10.9.9.9"),
    "single-value header with two": ("cf-connecting-ip", "10.0.0.5", "127.0.0.1, 198.51.100.1", None),
    "single-value header, repeated": ("x-real-ip", "10.0.0.5", "198.51.100.1,198.51.100.1", None),
    "single-value garbage": ("x-real-ip", "10.0.0.5", "nobody", None),
    "forwarded": ("forwarded", "10.0.0.5", "for=198.51.100.1", "198.51.100.1"),
    "forwarded, quoted IPv6 with port": (
        "forwarded", "10.0.0.5", 'for="[2001:db8::1]:4711";proto=https', "2001:db8::1",
    ),
    "forwarded, other case and order": (
        "forwarded", "10.0.0.5", "Proto=http; FOR=198.51.100.1 ;by=10.0.0.5", "198.51.100.1",
    ),
    "forwarded, spoofed left part": ("forwarded", "10.0.0.5", "for=127.0.0.1, for=198.51.100.1", "198.51.100.1"),
    "forwarded, quoted IPv4 with port": ("forwarded", "10.0.0.5", 'for="198.51.100.1:80"', "198.51.100.1"),
    "forwarded, all trusted": ("forwarded", "10.0.0.5", "for=10.0.0.1,for=10.0.0.2", "10.0.0.1"),
    "forwarded, empty": ("forwarded", "10.0.0.5", "", "10.0.0.5"),
    "forwarded, obfuscated": ("forwarded", "10.0.0.5", "for=_hidden", None),
    "forwarded, unknown": ("forwarded", "10.0.0.5", "for=unknown", None),
    "forwarded, unquoted IPv6": ("forwarded", "10.0.0.5", "for=[2001:db8::1]", None),
    "forwarded, unquoted colon": ("forwarded", "10.0.0.5", "for=2001:db8::1", None),
    "forwarded, unquoted port": ("forwarded", "10.0.0.5", "for=198.51.100.1:80", None),
    "forwarded, twice in one element": ("forwarded", "10.0.0.5", "for=198.51.100.1;for=127.0.0.1", None),
    "forwarded, twice in other case": ("forwarded", "10.0.0.5", "for=198.51.100.1;For=127.0.0.1", None),
    "forwarded, without for": ("forwarded", "10.0.0.5", "proto=https", None),
    "forwarded, last without for": ("forwarded", "10.0.0.5", "for=198.51.100.1, proto=https", None),
    "forwarded, open quote": ("forwarded", "10.0.0.5", 'for="198.51.100.1', None),
    "forwarded, text after quote": ("forwarded", "10.0.0.5", 'for="198.51.100.1"x', None),
    "forwarded, comma inside quotes": ("forwarded", "10.0.0.5", 'for="127.0.0.1, 198.51.100.1"', None),
    "forwarded, escaped inside quotes": ("forwarded", "10.0.0.5", r'for="198.51.100.\1"', None),
    "forwarded, no value": ("forwarded", "10.0.0.5", "for=", None),
    "forwarded, spaces around equals": ("forwarded", "10.0.0.5", "for = 198.51.100.1", None),
    "forwarded, empty element": ("forwarded", "10.0.0.5", "for=198.51.100.1,,for=10.0.0.1", None),
    "forwarded, trailing semicolon": ("forwarded", "10.0.0.5", "for=198.51.100.1;", None),
    "forwarded, rubbish": ("forwarded", "10.0.0.5", "198.51.100.1", None),
}  # fmt: skip

any_v4 = st.ip_addresses(v=4)
any_v6 = st.ip_addresses(v=6)


@pytest.mark.parametrize("text", ODD_SPELLINGS, ids=lambda text: ascii(text[:30]))
def test_an_odd_spelling_is_no_address(text: str) -> None:
    assert parse_address(text) is None


@given(any_v4)
def test_an_ipv4_address_equals_its_mapped_form(v4: IPv4Address) -> None:
    plain = address(str(v4))
    assert plain == parse_address(f"::ffff:{v4}")
    assert is_ipv4(plain)
    assert format_address(plain) == str(v4)
    assert network_of(plain) == plain


@given(any_v6)
def test_every_ipv6_address_is_itself_and_counts_by_its_64(v6: IPv6Address) -> None:
    parsed = address(str(v6))
    assert parsed == int(v6) == parse_address(v6.exploded)
    assert format_address(parsed) == (str(v6.ipv4_mapped) if v6.ipv4_mapped else str(v6))
    if not is_ipv4(parsed):
        assert network_of(parsed) == int(ip_network((v6, 64), strict=False).network_address)


@pytest.mark.parametrize("text", ["64:ff9b::198.51.100.1", "::198.51.100.1", "2002:c633:6401::1"])
def test_translated_and_compatible_addresses_are_not_the_ipv4_address_in_them(text: str) -> None:
    assert not is_ipv4(address(text))
    assert address(text) not in AddressSet(("198.51.100.0/24",))


def test_the_networks_counted_by_never_meet_between_the_families() -> None:
    assert network_of(address("::1")) == network_of(address("::2")) == 0
    assert network_of(address("0.0.0.0")) != 0


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("fe80::1%eth0", "fe80::1"), ("198.51.100.7", "198.51.100.7"), ("::ffff:198.51.100.7", "198.51.100.7"),
        (None, None), ("", None), ("unix", None), ("testclient", None), ("%eth0", None),
    ],
)  # fmt: skip
def test_a_peer_is_an_address_without_its_zone_or_has_none(host: str | None, expected: str | None) -> None:
    assert parse_peer(host) == (address(expected) if expected else None)


# -- networks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("10.0.0.5/8", 'write "10.0.0.0/8"'),
        ("2001:db8::1/32", 'write "2001:db8::/32"'),
        ("example.com", "10.0.0.0/8"),
        ("", "not an address"),
        ("10.0.0.0/33", "not an address"),
        ("10.0.0.0/-1", "not an address"),
        ("fe80::%eth0/64", "not an address"),
        ("010.0.0.0/8", "not an address"),
        (" 10.0.0.0/8", "not an address"),
        ("x" * 500, "not an address"),
    ],
)
def test_what_is_no_network_is_refused_with_what_to_write(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint) as refused:
        AddressSet((text,))
    assert len(str(refused.value)) < 200


networks = st.lists(
    st.one_of(
        st.tuples(any_v4, st.integers(0, 32)).map(lambda pair: ip_network(pair, strict=False)),
        st.tuples(any_v6, st.integers(0, 128)).map(lambda pair: ip_network(pair, strict=False)),
        st.sampled_from(["10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9", "11.0.0.0/8", "::/0", "::ffff:0:0/96"]).map(
            ip_network
        ),
    ),
    max_size=6,
)


@given(
    networks,
    any_v4 | any_v6 | st.sampled_from(["10.0.0.0", "10.255.255.255", "11.0.0.0", "9.255.255.255"]).map(ip_address),
)
def test_a_set_holds_exactly_what_its_networks_hold(listed: list[object], candidate: IPv4Address | IPv6Address) -> None:
    number = address(str(candidate))
    texts = [str(network) for network in listed]
    assert (number in AddressSet(texts)) is any(_holds(text, number) for text in texts)


def _holds(text: str, number: int) -> bool:
    network = ip_network(text)
    start = int(network.network_address) | (0xFFFF << 32 if network.version == 4 else 0)
    return start <= number < start + network.num_addresses


def test_sets_are_equal_when_they_hold_the_same() -> None:
    assert AddressSet(("10.0.0.0/9", "10.128.0.0/9")) == AddressSet(("10.0.0.0/8",)) != AddressSet(("10.0.0.0/9",))
    assert hash(AddressSet(("10.0.0.0/9", "10.128.0.0/9"))) == hash(AddressSet(("10.0.0.0/8",)))
    assert AddressSet(()) != ()
    assert AddressSet(("::1",)).texts == ("::1",)
    assert AddressSet(("::1",))
    assert not AddressSet(())


@pytest.mark.parametrize(
    ("allow", "deny", "client", "expected"),
    [
        ([], [], "198.51.100.1", True), ([], [], None, True),
        (["198.51.100.0/24"], [], "198.51.100.1", True), (["198.51.100.0/24"], [], "::ffff:198.51.100.1", True),
        (["198.51.100.0/24"], [], "203.0.113.1", False), (["198.51.100.0/24"], [], None, False),
        ([], ["198.51.100.0/24"], "198.51.100.1", False), ([], ["198.51.100.0/24"], "203.0.113.1", True),
        ([], ["198.51.100.0/24"], None, False), (["198.51.100.0/24"], ["198.51.100.1"], "198.51.100.1", False),
        (["198.51.100.0/24"], ["198.51.100.1"], "198.51.100.2", True), (["0.0.0.0/0"], [], "2001:db8::1", False),
        (["2001:db8::/32"], [], "198.51.100.1", False), (["10.0.0.0/8"], ["10.0.0.0/8"], "10.0.0.1", False),
    ],
)  # fmt: skip
def test_deny_wins_and_no_address_is_outside(
    allow: list[str], deny: list[str], client: str | None, expected: bool
) -> None:
    known = address(client) if client else None
    assert is_network_allowed(AddressSet(allow), AddressSet(deny), known) is expected


@given(networks, networks, st.lists(any_v4 | any_v6, max_size=4))
def test_two_lists_permit_together_what_they_permit_one_after_the_other(
    allowed: list[object], denied: list[object], candidates: list[object]
) -> None:
    allow, deny = AddressSet(map(str, allowed)), AddressSet(map(str, denied))
    boundaries = permitted(allow, deny)
    assert (boundaries is None) is (not allow and not deny)
    edges = [edge + near for edge in (*allow.boundaries, *deny.boundaries) for near in (-1, 0, 1)]
    for number in (0, 2**128 - 1, *edges, *(address(str(candidate)) for candidate in candidates)):
        if boundaries is not None and 0 <= number < 2**128:
            is_inside = bisect_right(boundaries, number) & 1 == 1
            assert is_inside is is_network_allowed(allow, deny, Address(number))


# -- who the client is ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("style", "peer", "header", "expected"), TOLD.values(), ids=TOLD)
def test_the_client_is_the_first_untrusted_address_from_the_right(
    style: str, peer: str | None, header: str, expected: str | None
) -> None:
    told = client_address(address(peer) if peer else None, header.encode(), style, PROXIES)
    if expected is not None:
        assert told == address(expected)
    elif header:
        assert isinstance(told, Malformed)
    else:
        assert told is None


def test_a_refusal_repeats_nothing_the_client_sent() -> None:
    for style in ("x-forwarded-for", "forwarded", "x-real-ip"):
        told = client_address(PROXY, b"sesame, sesame", style, PROXIES)
        assert isinstance(told, Malformed)
        assert "sesame" not in told.detail


hops = st.lists(any_v4 | any_v6, min_size=1, max_size=8)


@given(hops, st.text(max_size=30).filter(lambda text: text.isascii()))
def test_what_a_client_writes_left_of_its_own_address_changes_nothing(told: list[object], spoofed: str) -> None:
    client = address("203.0.113.9")
    header = f"{spoofed},{client_text(client)}, 10.0.0.1, 10.0.0.2"
    assert client_address(PROXY, header.encode(), "x-forwarded-for", PROXIES) == client


def client_text(client: Address) -> str:
    return format_address(client)


@given(hops)
def test_header_styles_agree_on_the_same_chain(chain: list[object]) -> None:
    plain = ", ".join(map(str, chain))
    quoted = ", ".join(f'for="[{hop}]"' if ":" in str(hop) else f"for={hop}" for hop in chain)
    assert client_address(PROXY, plain.encode(), "x-forwarded-for", PROXIES) == client_address(
        PROXY, quoted.encode(), "forwarded", PROXIES
    )


@given(st.binary(max_size=60), st.sampled_from(["x-forwarded-for", "forwarded", "x-real-ip"]))
def test_any_bytes_are_answered_with_an_address_or_refused(value: bytes, style: str) -> None:
    told = client_address(PROXY, value, style, PROXIES)
    assert isinstance(told, Malformed | int)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("198.51.100.7", "198.51.100.0/24"),
        ("::ffff:198.51.100.7", "198.51.100.0/24"),
        ("255.255.255.255", "255.255.255.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ("::1", "::/48"),
    ],
)
def test_an_address_belongs_to_a_network_of_24_or_48_bits(text: str, place: str) -> None:
    found = parse_address(text)
    assert found is not None
    assert format_neighbourhood(neighbourhood_of(found)) == place
