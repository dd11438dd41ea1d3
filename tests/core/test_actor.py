"""Who acts, as the audit writes it."""

from gateway_auth.core.actor import Actor


def test_an_actor_is_its_kind_and_name_and_nothing_of_where_it_asks_from() -> None:
    assert str(Actor(kind="cli", name="root")) == "cli:root"
    admin = Actor(kind="admin", name="bob", id="adm_1", role="auditor", request_id="req_1", address="192.0.2.7")
    assert str(admin) == "admin:bob"
