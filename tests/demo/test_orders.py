"""The sample API: what it answers, and that nobody fills its memory."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from gateway_auth.demo.orders import MAX_ITEM, MAX_ORDERS, orders_app


@pytest.fixture
def api() -> TestClient:
    """A fresh one."""
    return TestClient(orders_app())


def test_it_begins_with_three_orders(api: TestClient) -> None:
    assert [order["id"] for order in api.get("/v1/orders").json()["orders"]] == ["1001", "1002", "1003"]
    assert api.get("/v1/orders/1001").json()["order"] == {"id": "1001", "item": "tea"}
    assert api.get("/v1/orders/9").status_code == 404


def test_it_tells_what_it_was_told_of_the_caller(api: TestClient) -> None:
    seen = api.get("/v1/orders", headers={"x-auth-subject": "ann", "x-auth-scopes": "a b"}).json()["seen"]
    assert seen == {"subject": "ann", "scopes": "a b", "credential": False}
    assert api.get("/v1/orders", headers={"x-api-key": "k"}).json()["seen"]["credential"] is True


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b'{"item": 1}', b'{"item": null}'])
def test_a_body_without_an_item_orders_tea(api: TestClient, body: bytes) -> None:
    created = api.post("/v1/orders", content=body)
    assert (created.status_code, created.json()["order"]["item"]) == (201, "tea")


def test_only_the_newest_orders_are_kept_and_items_are_bounded(api: TestClient) -> None:
    for _ in range(MAX_ORDERS + 5):
        api.post("/v1/orders", json={"item": "x" * 10_000})
    orders = api.get("/v1/orders").json()["orders"]
    assert len(orders) == MAX_ORDERS
    assert {len(order["item"]) for order in orders} == {MAX_ITEM}
    assert api.get("/v1/reports/daily").json()["orders"] == MAX_ORDERS
