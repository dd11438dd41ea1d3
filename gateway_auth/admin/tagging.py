"""Answers with one object: its ETag, and for a new one where it is."""

from __future__ import annotations

from gateway_auth.admin.operation import Answered
from gateway_auth.lifecycle.conditions import tag_of
from gateway_auth.lifecycle.views import View
from gateway_auth.lifecycle.workplace import Made


def tagged(view: View) -> Answered:
    """The object as it is now."""
    return Answered(view, {"etag": f'"{tag_of(view)}"'})


def created(made: Made, root: str) -> Answered:
    """A new object: a key with its secret, which the ETag does not depend on."""
    headers = {"etag": f'"{tag_of(made.view)}"', "location": f"{root}/{made.view['id']}"}
    if made.is_repeated:
        headers["idempotent-replayed"] = "true"
    return Answered(made.view if made.text is None else {"key": made.text, **made.view}, headers)
