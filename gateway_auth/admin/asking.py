"""What a request says, read strictly: who asks, which parameters, which body. It judges form, never meaning."""

from __future__ import annotations

import asyncio
import re
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from gateway_auth.admin.problems import Refusal
from gateway_auth.core.strict_json import parse_object

MAX_BODY_BYTES = 64 * 1024
BODY_SECONDS = 10.0
MAX_ERRORS = 20
MAX_TAGS = 16

M = TypeVar("M", bound=BaseModel)

_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*)")
_JSON = re.compile(r"application/json[ \t]*(?:;[ \t]*charset=\"?utf-8\"?[ \t]*)?", re.IGNORECASE)
_TAGS = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,128}"(?:[ \t]*,[ \t]*(?:W/)?"[\x21\x23-\x7e]{0,128}")*')
_TAG = re.compile(r'(W/)?"([^"]*)"')
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def presented_token(request: Request) -> bytes:
    """The one bearer token (RFC 6750 section 2.1)."""
    lines = request.headers.getlist("authorization")
    if len(lines) > 1:
        raise Refusal("ambiguous_credentials")
    if not lines:
        raise Refusal("credential_required")
    match = _BEARER.fullmatch(lines[0])
    if match is None:
        raise Refusal("invalid_credential")
    return match[1].encode("ascii")


def read_query(request: Request, model: type[M]) -> M:
    """The query parameters, each once and known."""
    pairs = request.query_params.multi_items()
    given = dict(pairs)
    if len(given) != len(pairs):
        twice = next(name for name, _ in pairs if len(request.query_params.getlist(name)) > 1)
        raise Refusal("invalid_input", errors=[(twice, "stands there twice")])
    return _validated(model, given, strict=False)


async def read_body(request: Request, model: type[M]) -> M:
    """The body: one JSON object with known members, each once; for a model that needs none also nothing at all."""
    data = await _read_bytes(request)
    if not data and not any(field.is_required() for field in model.model_fields.values()):
        return _validated(model, {})
    types = request.headers.getlist("content-type")
    if len(types) != 1 or not _JSON.fullmatch(types[0]):
        raise Refusal("unsupported_media_type")
    found = parse_object(data)
    if found is None:
        raise Refusal("malformed_request", "The body is not one JSON object that can be read in one way only.")
    return _validated(model, found)


async def _read_bytes(request: Request) -> bytes:
    length = request.headers.get("content-length", "0")
    if length.isascii() and length.isdecimal() and int(length[:20]) > MAX_BODY_BYTES:
        raise Refusal("body_too_large", headers={"connection": "close"})
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal("unsupported_media_type", "A compressed body is not read.")
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                data += chunk
                if len(data) > MAX_BODY_BYTES:
                    raise Refusal("body_too_large", headers={"connection": "close"})
    except TimeoutError:
        raise Refusal("request_timeout", headers={"connection": "close"}) from None
    return bytes(data)


def expected_tags(request: Request) -> tuple[str, ...] | None:
    """The tags of If-Match; None for `*`, which any object meets. A weak tag is none (RFC 9110 section 13.1.1)."""
    text = ", ".join(request.headers.getlist("if-match")).strip(" \t")
    if text == "*":
        return None
    if len(text) > MAX_TAGS * 140 or not _TAGS.fullmatch(text):
        raise Refusal("malformed_request", 'If-Match is no list of entity tags; send the ETag as it came, or "*".')
    return tuple(match[2] for match in _TAG.finditer(text) if not match[1])


def is_known(request: Request, tag: str) -> bool:
    """Whether If-None-Match names this entity tag; a weak one counts too (RFC 9110 section 13.1.2).

    What is no list of tags names none: a full answer harms nobody.
    """
    text = ", ".join(request.headers.getlist("if-none-match")).strip(" \t")
    if len(text) > MAX_TAGS * 140 or not _TAGS.fullmatch(text):
        return text == "*"
    return any(f'"{match[2]}"' == tag for match in _TAG.finditer(text))


def idempotency_key(request: Request) -> str | None:
    """What a creation is to be remembered by, if at all."""
    lines = request.headers.getlist("idempotency-key")
    if not lines:
        return None
    if len(lines) > 1 or not _IDEMPOTENCY_KEY.fullmatch(lines[0]):
        raise Refusal("malformed_request", "Idempotency-Key must be 1 to 255 visible ASCII characters, once.")
    return lines[0]


def _validated(model: type[M], given: dict[str, object] | dict[str, str], *, strict: bool | None = None) -> M:
    try:
        return model.model_validate(given, strict=strict)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_ERRORS]
        raise Refusal("invalid_input", errors=[(_path(one["loc"]), one["msg"]) for one in found]) from None


def _path(location: tuple[int | str, ...]) -> str:
    """`scopes[0]`, as configuration problems are named."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
