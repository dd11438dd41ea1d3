"""The careless router itself: were it careful, the path cases would prove nothing."""

from __future__ import annotations

import pytest

from tests.conformance.lenient import handlers
from tests.conformance.record import Record


@pytest.mark.parametrize(
    "target",
    [
        "/api/admin/users",
        "/API//Admin/./users",
        "/public/../api/admin/users",
        "/public/%2e%2e%2fapi%2fadmin/users",
        "/public/%252e%252e/api/admin/users",
        "/api/items/..%5cadmin/users",
        "/api/admin;x=1/users",
        "/api/items/..;/admin/users",
        "/public/#/../../api/admin/users",
        "http://evil.test/api/admin/users",
        "/api/%c0%aeadmin/users",
    ],
)
def test_it_takes_every_spelling_for_the_admin_handler(target: str) -> None:
    assert "admin" in handlers(Record("GET", target.encode(), (), b""))


@pytest.mark.parametrize(
    ("field", "handler"),
    [("x-original-url", "admin"), ("X-Rewrite-URL", "admin"), ("x-http-method-override", "items:delete")],
)
def test_it_obeys_headers(field: str, handler: str) -> None:
    value = "/api/admin/x" if handler == "admin" else "delete"
    assert handler in handlers(Record("GET", b"/api/items/1", ((field.encode(), value.encode()),), b""))


def test_it_sees_no_admin_where_there_is_none() -> None:
    assert handlers(Record("GET", b"/api/items", ((b"host", b"api.test"),), b"")) == {"items"}
