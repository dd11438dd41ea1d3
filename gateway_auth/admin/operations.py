"""The table of all operations: from it come the routes, the OpenAPI document and the tests of both."""

from __future__ import annotations

from gateway_auth.admin import answers, apps, bodies, keys, records
from gateway_auth.admin.operation import Operation

_APP = f"{apps.ROOT}/{{id}}"
_KEY = f"{keys.ROOT}/{{id}}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="list_apps", method="GET", path=apps.ROOT, action="app.read", summary="List apps.",
        run=apps.list_apps, query=bodies.AppsQuery, answer=answers.Apps,
    ),
    Operation(
        name="create_app", method="POST", path=apps.ROOT, action="app.create", summary="Create an app.",
        run=apps.create_app, body=bodies.NewApp, answer=answers.App, status=201, creates=True,
    ),
    Operation(
        name="show_app", method="GET", path=_APP, action="app.read", summary="Show an app.",
        run=apps.show_app, answer=answers.App,
    ),
    Operation(
        name="update_app", method="PATCH", path=_APP, action="app.update", summary="Set fields of an app.",
        run=apps.update_app, body=bodies.AppChange, answer=answers.App, changes="app",
    ),
    Operation(
        name="delete_app", method="DELETE", path=_APP, action="app.delete",
        summary="Delete an app and all its keys for good.", run=apps.delete_app, status=204, changes="app",
    ),
    Operation(
        name="disable_app", method="POST", path=f"{_APP}/disable", action="app.disable",
        summary="Stop all keys of an app until it is enabled again.",
        run=apps.disable_app, body=bodies.Nothing, answer=answers.App, changes="app",
    ),
    Operation(
        name="enable_app", method="POST", path=f"{_APP}/enable", action="app.enable",
        summary="Let the keys of an app work again, each as its own status says.",
        run=apps.enable_app, body=bodies.Nothing, answer=answers.App, changes="app",
    ),
    Operation(
        name="list_keys", method="GET", path=keys.ROOT, action="key.read", summary="List keys.",
        run=keys.list_keys, query=bodies.KeysQuery, answer=answers.Keys,
    ),
    Operation(
        name="create_key", method="POST", path=keys.ROOT, action="key.create",
        summary="Create a key. Its secret is in this answer and nowhere else.",
        run=keys.create_key, body=bodies.NewKey, answer=answers.CreatedKey, status=201, creates=True,
        may_conflict=True,
    ),
    Operation(
        name="verify_key", method="POST", path=f"{keys.ROOT}/verify", action="key.verify",
        summary="Say what a text is: a key or not, its secret right or not, its state.",
        run=keys.verify_key, body=bodies.PresentedKey, answer=answers.KeyCheck,
    ),
    Operation(
        name="review_keys", method="GET", path=f"{keys.ROOT}/review", action="usage.read",
        summary="List keys that behave unlike themselves: a new network, a burst of refusals, far more requests.",
        run=records.review_keys, query=bodies.ReviewQuery, answer=answers.Anomalies,
    ),
    Operation(
        name="show_key", method="GET", path=_KEY, action="key.read", summary="Show a key, without its secret.",
        run=keys.show_key, answer=answers.Key,
    ),
    Operation(
        name="update_key", method="PATCH", path=_KEY, action="key.update", summary="Set fields of a key.",
        run=keys.update_key, body=bodies.KeyChange, answer=answers.Key, changes="key", may_conflict=True,
    ),
    Operation(
        name="delete_key", method="DELETE", path=_KEY, action="key.delete", summary="Delete a key for good.",
        run=keys.delete_key, query=bodies.DeletionQuery, status=204, changes="key", may_conflict=True,
    ),
    Operation(
        name="rotate_key", method="POST", path=f"{_KEY}/rotate", action="key.rotate",
        summary="Make a second key with the same rights; this one works until the overlap ends.",
        run=keys.rotate_key, body=bodies.Rotation, answer=answers.CreatedKey, status=201, creates=True, changes="key",
        may_conflict=True,
    ),
    Operation(
        name="disable_key", method="POST", path=f"{_KEY}/disable", action="key.disable",
        summary="Stop a key until it is enabled again.",
        run=keys.disable_key, body=bodies.Nothing, answer=answers.Key, changes="key", may_conflict=True,
    ),
    Operation(
        name="enable_key", method="POST", path=f"{_KEY}/enable", action="key.enable",
        summary="Let a disabled key work again.",
        run=keys.enable_key, body=bodies.Nothing, answer=answers.Key, changes="key", may_conflict=True,
    ),
    Operation(
        name="revoke_key", method="POST", path=f"{_KEY}/revoke", action="key.revoke",
        summary="Stop a key for good; it stays listed.",
        run=keys.revoke_key, body=bodies.Nothing, answer=answers.Key, changes="key",
    ),
    Operation(
        name="grant", method="POST", path=f"{_KEY}/grant", action="key.grant",
        summary="Give a key one more scope, for a time.",
        run=keys.grant, body=bodies.NewGrant, answer=answers.Key, changes="key", may_conflict=True,
    ),
    Operation(
        name="revoke_tokens", method="POST", path="/api/v1/tokens/revoke", action="token.revoke",
        summary="Take back tokens of the configured issuers before they end.",
        run=records.revoke_tokens, body=bodies.TokensToRevoke, answer=answers.Revocation,
    ),
    Operation(
        name="list_audit", method="GET", path="/api/v1/audit", action="audit.read",
        summary="List who did what, newest first.",
        run=records.list_audit, query=bodies.AuditQuery, answer=answers.Audit,
    ),
    Operation(
        name="list_usage", method="GET", path="/api/v1/usage", action="usage.read",
        summary="Sum up how much keys were used.",
        run=records.list_usage, query=bodies.UsageQuery, answer=answers.UsageSums,
    ),
)  # fmt: skip
