"""Single values of the configuration, checked by the core's own parsers; messages say what to write."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, Field

from gateway_auth.config.addresses import check_server, check_store_url, check_upstream, parse_listen, socket_path
from gateway_auth.config.header_names import check_address_header, check_key_header, check_stripped
from gateway_auth.config.secret import check_reference
from gateway_auth.core.admins import PREFIX as ADMIN_PREFIX
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.network import UNIX_PEER, AddressSet
from gateway_auth.core.rates import parse_rate
from gateway_auth.core.referrer import ReferrerPattern
from gateway_auth.core.roles import parse_role
from gateway_auth.core.routes import NEVER_ROUTED, explain_template
from gateway_auth.core.scopes import parse_demanded, parse_granted

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
_REALM = re.compile(r"[\x20-\x7E]{1,64}")
_EVENT = re.compile(r"\*|[a-z_]{1,32}\.(?:\*|[a-z_]{1,32})")
_METHOD = re.compile(r"[A-Z][A-Z0-9_-]{0,31}")


def check_name(text: str) -> str:
    """An id of a route or limit, or a plan's name."""
    if not _NAME.fullmatch(text):
        raise ValueError('must be a name: letters, digits and "_.:-", at most 64, beginning with a letter or digit')
    return text


def check_realm(text: str) -> str:
    """A realm goes into a quoted string of a header."""
    if not _REALM.fullmatch(text) or '"' in text or "\\" in text:
        raise ValueError("must be 1 to 64 printable ASCII characters without quote or backslash")
    return text


def check_event_pattern(text: str) -> str:
    """`*`, `key.*` or `key.rotate`."""
    if not _EVENT.fullmatch(text):
        raise ValueError('must be the name of an event, "key.rotate", or "key.*", or "*"')
    return text


def check_listen(text: str) -> str:
    """`host:port`."""
    parse_listen(text)
    return text


def check_listen_or_socket(text: str) -> str:
    """`host:port` or `unix:PATH`."""
    return text if socket_path(text) is not None else check_listen(text)


def check_network(text: str) -> str:
    """A CIDR or one address."""
    if "%" in text:
        raise ValueError("has a zone, which means something on one machine alone; write the address without it")
    AddressSet((text,))
    return text


def check_proxy(text: str) -> str:
    """A CIDR, one address, or `unix` for peers of a unix socket."""
    return text if text == UNIX_PEER else check_network(text)


def check_referrer(text: str) -> str:
    """A referrer pattern."""
    ReferrerPattern(text)
    return text


def check_rate(text: str) -> str:
    """A rate."""
    parse_rate(text)
    return text


def check_prefix(text: str) -> str:
    """What every API key begins with."""
    if text == ADMIN_PREFIX:
        raise ValueError("is what admin tokens begin with; keys need another prefix")
    KeyFormat(text)
    return text


def check_template(text: str) -> str:
    """A route's path."""
    if not text.isascii() or not text.isprintable():
        raise ValueError("path must be printable ASCII; percent-encode everything else")
    reason = explain_template(text)
    if reason is not None:
        raise ValueError(reason)
    return text


def check_method(text: str) -> str:
    """A request method; they are case-sensitive (RFC 9110 section 9.1)."""
    if text in NEVER_ROUTED:
        raise ValueError("can never be reached: no request with this method passes")
    if _METHOD.fullmatch(text):
        return text
    if _METHOD.fullmatch(text.upper()):
        raise ValueError(f'methods are written in capitals: "{text.upper()}"')
    raise ValueError('is not a method; write for example "GET"; leave methods out for all of them')


def check_web_address(text: str) -> str:
    """An https address of an identity provider; http is for loopback alone."""
    if not re.fullmatch(
        r"https://[^\s\\@#]{1,2000}|http://(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?(?:/[^\s\\@#]*)?", text
    ):
        raise ValueError('must be an https address; write for example "https://idp.example.com"')
    return text


def check_store_url_or_reference(text: str) -> str:
    """An address of a store, or a reference to one. It may hold a password and is never repeated."""
    if text.startswith(("env:", "file:")):
        return check_reference(text)
    return check_store_url(text)


def check_redis_url(text: str) -> str:
    """An address of Redis. It may hold a password and is never repeated."""
    if not re.fullmatch(r"rediss?(?:\+(?:sentinel|cluster))?://[^\s/]+(?:/[^\s]*)?", text):
        raise ValueError(
            'must be redis://, rediss://, redis+sentinel:// or redis+cluster://, as in "redis://127.0.0.1:6379/0"'
        )
    return text


def check_token_type(text: str) -> str:
    """A `typ` of tokens; media types may leave out `application/` (RFC 7515 section 4.1.9)."""
    # "application/" alone would be the empty type, which has to be written as what it is.
    if not re.fullmatch(r"[\x21-\x7E]{0,64}", text) or text.lower() == "application/":
        raise ValueError('must be a type such as "at+jwt" or "JWT", or empty for tokens that name none')
    return text


def check_issuer(text: str) -> str:
    """The exact `iss` of an issuer's tokens, an address as in `check_web_address`."""
    check_web_address(text)
    if "?" in text:
        raise ValueError("an issuer has no query (RFC 8414 section 2); write its tokens' iss")
    return text


def check_host_name(text: str) -> str:
    """A name a server is called by, as it stands in Host, without a port."""
    if not re.fullmatch(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?", text):
        raise ValueError('is not a host name in small letters; write for example "gateway-admin.internal"')
    return text


def without_repeats(values: list[str]) -> list[str]:
    """The list, when nothing stands in it twice."""
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f'names "{repeated[0][:64]}" twice')
    return values


def _checked(check: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(check)


Name = Annotated[str, _checked(check_name)]
Realm = Annotated[str, _checked(check_realm)]
Listen = Annotated[str, _checked(check_listen)]
ListenOrSocket = Annotated[str, _checked(check_listen_or_socket)]
Upstream = Annotated[str, _checked(check_upstream)]
ServerUrl = Annotated[str, _checked(check_server)]
StoreUrl = Annotated[str, _checked(check_store_url_or_reference)]
RedisUrl = Annotated[str, _checked(check_redis_url)]
WebAddress = Annotated[str, _checked(check_web_address)]
IssuerAddress = Annotated[str, _checked(check_issuer)]
TokenType = Annotated[str, _checked(check_token_type)]
Network = Annotated[str, _checked(check_network)]
Proxy = Annotated[str, _checked(check_proxy)]
Referrer = Annotated[str, _checked(check_referrer)]
RateText = Annotated[str, _checked(check_rate)]
EventPattern = Annotated[str, _checked(check_event_pattern)]
Prefix = Annotated[str, _checked(check_prefix)]
Template = Annotated[str, _checked(check_template)]
Method = Annotated[str, _checked(check_method)]
KeyHeader = Annotated[str, _checked(check_key_header)]
AddressHeader = Annotated[str, _checked(check_address_header)]
StrippedHeader = Annotated[str, _checked(check_stripped)]
Reference = Annotated[str, _checked(check_reference)]
DemandedScope = Annotated[str, _checked(parse_demanded)]
GrantedScope = Annotated[str, _checked(parse_granted)]
Role = Annotated[str, _checked(parse_role)]
HostName = Annotated[str, _checked(check_host_name)]
Text = Annotated[str, Field(min_length=1, max_length=512)]
