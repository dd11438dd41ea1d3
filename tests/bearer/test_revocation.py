"""Tokens that were taken back, through two gateways on one store: refused by both, remembered or not; others pass."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest

from gateway_auth import GatewayAuth
from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.system import SystemClock, SystemRandom
from gateway_auth.core.actor import Actor
from gateway_auth.core.issuer import Issuer
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.lifecycle.tokens import ManageTokens
from tests.asgi.raw import get
from tests.bearer.conftest import Start, bearer, issuer_table
from tests.bearer.issuing import AUDIENCE, TokenIssuer, b64

ACTOR = Actor(kind="cli", name="alice")
ORDER_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SECONDS = 20
"""Far more than the promise: what is tested here is that it happens and stays, not how quickly."""
REVOKED = (401, "credential_revoked")

Kind = Literal["jti", "subject", "token"]


@pytest.fixture
async def workers(start: Start, issuer: TokenIssuer, tmp_path: Path) -> list[GatewayAuth]:
    """Two gateways of one configuration, as two workers have it."""
    table = issuer_table(issuer, tmp_path)
    return [await start([table]), await start([table])]


@pytest.fixture
async def tokens(tmp_path: Path, issuer: TokenIssuer) -> AsyncIterator[ManageTokens]:
    """Management, in a process of its own for all the gateways know."""
    store = SqlStore(f"sqlite:///{tmp_path}/gateway.db")
    configured = Issuer(id="corp", issuer=issuer.issuer, audiences=frozenset((AUDIENCE,)))
    yield ManageTokens(store, SystemClock(), SystemRandom(), [configured], key_format=KeyFormat())
    await store.close()


async def revoke(tokens: ManageTokens, kind: Kind, token: str) -> None:
    match kind:
        case "jti":
            await tokens.revoke_id(ACTOR, "its-id")
        case "subject":
            await tokens.revoke_subject(ACTOR, "user-1")
        case "token":
            await tokens.revoke_token(ACTOR, token.encode())


async def status(worker: GatewayAuth, token: str) -> int:
    return (await get(worker, "/known", headers=bearer(token))).status


async def until_refused(worker: GatewayAuth, token: str) -> None:
    async with asyncio.timeout(SECONDS):
        while (answer := await get(worker, "/known", headers=bearer(token))).status == 200:  # noqa: ASYNC110
            await asyncio.sleep(0)  # the product tells nobody
    assert answer.refusal == REVOKED


@pytest.mark.parametrize("kind", ["jti", "subject", "token"])
async def test_a_token_that_is_in_use_is_refused_by_every_worker_and_stays_so(
    workers: list[GatewayAuth], tokens: ManageTokens, issuer: TokenIssuer, start: Start, tmp_path: Path, kind: Kind
) -> None:
    token, other = issuer.token(jti="its-id"), issuer.token(sub="user-2")
    for worker in workers:
        assert [await status(worker, text) for text in (token, other)] == [200, 200]
    await revoke(tokens, kind, token)
    await asyncio.gather(*(until_refused(worker, token) for worker in workers))
    late = await start([issuer_table(issuer, tmp_path, id="issuer-0")])
    for worker in (*workers, late):
        for _ in range(20):
            assert (await get(worker, "/known", headers=bearer(token))).refusal == REVOKED
        assert await status(worker, other) == 200


async def test_the_other_form_of_its_signature_is_refused_too(
    workers: list[GatewayAuth], tokens: ManageTokens, issuer: TokenIssuer
) -> None:
    token = issuer.token("k-ES256")
    signed, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    other = f"{signed}.{b64(raw[:32] + (ORDER_P256 - int.from_bytes(raw[32:])).to_bytes(32))}"
    assert [await status(workers[0], text) for text in (token, other)] == [200, 200]
    await tokens.revoke_token(ACTOR, other.encode())
    await until_refused(workers[0], token)
    await until_refused(workers[0], other)


async def test_a_subject_may_come_back_with_a_token_issued_afterwards(
    workers: list[GatewayAuth], tokens: ManageTokens, issuer: TokenIssuer
) -> None:
    revocation = await tokens.revoke_subject(ACTOR, "user-1")
    await until_refused(workers[0], issuer.token())
    assert await status(workers[0], issuer.token(iat=int(revocation.revoked_at) + 1)) == 200


async def test_what_another_issuer_said_of_a_subject_of_this_name_stays_good(
    workers: list[GatewayAuth], tmp_path: Path, issuer: TokenIssuer
) -> None:
    store = SqlStore(f"sqlite:///{tmp_path}/gateway.db")
    other = Issuer(id="other", issuer="https://other.example", audiences=frozenset((AUDIENCE,)))
    mine = Issuer(id="corp", issuer=issuer.issuer, audiences=frozenset((AUDIENCE,)))
    tokens = ManageTokens(store, SystemClock(), SystemRandom(), [mine, other], key_format=KeyFormat())
    await tokens.revoke_subject(ACTOR, "user-1", "other")
    await tokens.revoke_id(ACTOR, "marker", "corp")
    await until_refused(workers[0], issuer.token(jti="marker"))
    assert await status(workers[0], issuer.token()) == 200
    await store.close()
