"""The OpenAPI 3.1 document, made of the table of operations and the models they read and answer with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway_auth import __version__
from gateway_auth.admin.answers import Problem
from gateway_auth.admin.operation import Operation
from gateway_auth.admin.problems import CODES, MEDIA_TYPE

Document = dict[str, Any]

_REF = "#/components/schemas/{model}"
_IDEMPOTENCY_KEY: Document = {
    "name": "Idempotency-Key", "in": "header", "required": False,
    "description": "Repeated within a day, the same request creates nothing and is answered as the first time.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}  # fmt: skip
_IF_MATCH: Document = {
    "name": "If-Match", "in": "header", "required": False,
    "description": "The ETag of the object as you know it: nothing is done when it is another by now.",
    "schema": {"type": "string"},
}  # fmt: skip
_IF_NONE_MATCH: Document = {
    "name": "If-None-Match", "in": "header", "required": False,
    "description": "The ETag of the object as you have it: answered with 304 while it is still the same.",
    "schema": {"type": "string"},
}  # fmt: skip
_ID: Document = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
_LISTED: Document = {
    "Link": {
        "description": "The next page (RFC 8288); absent on the last.",
        "schema": {"type": "string"},
    },
    "X-Next-Cursor": {"description": "Its cursor.", "schema": {"type": "string"}},
}
_TAGGED: Document = {"ETag": {"description": "What the object is now.", "schema": {"type": "string"}}}


def openapi_document(operations: Iterable[Operation]) -> Document:
    """The whole document."""
    table = tuple(operations)
    paths: Document = {}
    for operation in table:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gateway-auth admin API",
            "version": __version__,
            "description": "Apps, keys, tokens, audit and usage of a gateway. docs/admin.md says more.",
        },
        "security": [{"adminToken": []}],
        "paths": paths | _WATCHING,
        "components": {
            "schemas": _schemas(table),
            "responses": {str(status): _problem(status) for status in sorted({kind.status for kind in CODES.values()})},
            "securitySchemes": {
                "adminToken": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "gwadm_...",
                    "description": "Made by `gateway-auth admins create`. API keys and other tokens are refused.",
                }
            },
        },
    }  # fmt: skip


def _operation(operation: Operation) -> Document:
    described: Document = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.path.split("/")[3]],
        "parameters": list(_parameters(operation)),
        "responses": {
            str(operation.status): _answer(operation),
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in operation.refusals},
        },
    }
    if operation.reads_object:
        described["responses"]["304"] = {"description": "It is what If-None-Match says.", "headers": _TAGGED}
    if operation.body is not None:
        described["requestBody"] = {
            "required": any(field.is_required() for field in operation.body.model_fields.values()),
            "content": {"application/json": {"schema": _reference(operation.body)}},
        }
    return described


def _parameters(operation: Operation) -> Iterator[Document]:
    if operation.has_object:
        yield _ID
    schema = operation.query.model_json_schema()
    for name, shape in schema.get("properties", {}).items():
        description = shape.pop("description", "")
        yield {"name": name, "in": "query", "required": False, "description": description, "schema": shape}
    if operation.creates:
        yield _IDEMPOTENCY_KEY
    if operation.changes is not None:
        yield _IF_MATCH
    if operation.reads_object:
        yield _IF_NONE_MATCH


def _answer(operation: Operation) -> Document:
    if operation.answer is None:
        return {"description": "Done."}
    headers = _LISTED if "cursor" in operation.query.model_fields else _TAGGED if operation.has_object else {}
    return {
        "description": "Done.",
        "headers": headers,
        "content": {"application/json": {"schema": _reference(operation.answer)}},
    }


def _problem(status: int) -> Document:
    codes = [code for code, kind in CODES.items() if kind.status == status]
    return {
        "description": " ".join(f"`{code}`: {CODES[code].detail}" for code in codes),
        "content": {MEDIA_TYPE: {"schema": _reference(Problem)}},
    }


def _schemas(operations: Iterable[Operation]) -> Document:
    models: dict[type[BaseModel], None] = {Problem: None}
    for operation in operations:
        models |= {model: None for model in (operation.body, operation.answer) if model is not None}
    _, found = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    schemas: Document = found["$defs"]
    return schemas


def _reference(model: type[BaseModel]) -> Document:
    return {"$ref": _REF.format(model=model.__name__)}


def _open(summary: str, media_type: str, *statuses: int) -> Document:
    content = {media_type: {"schema": {"type": "string" if media_type.startswith("text") else "object"}}}
    answers: Document = {str(status): {"description": summary, "content": content} for status in statuses}
    refusals = {str(status): {"$ref": f"#/components/responses/{status}"} for status in (400, 414, 421, 431)}
    return {"get": {"summary": summary, "security": [], "tags": ["watching"], "responses": answers | refusals}}


_WATCHING: Document = {
    "/healthz": _open("Whether it lives.", "application/json", 200),
    "/readyz": _open("Whether it can work: 503 without the store.", "application/json", 200, 503),
    "/metrics": _open("Its numbers, in the text format of Prometheus.", "text/plain", 200),
    "/openapi.json": _open("This document.", "application/json", 200),
}
