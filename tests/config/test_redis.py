"""What operators write about Redis."""

from __future__ import annotations

import pytest

from gateway_auth.config.configuration import RedisSettings
from gateway_auth.config.secret import HOW_TO_MAKE_KEY
from tests.config.writing import Written, loaded, problems, route, with_route, written

LIMITED = route(limits=[{"rate": "10/minute", "by": "key"}])
ENCRYPTION_KEY = {"GATEWAY_AUTH_ENCRYPTION_KEY": "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM="}
SECRETS = {"pepper": "env:GATEWAY_AUTH_PEPPER", "encryption_key": "env:GATEWAY_AUTH_ENCRYPTION_KEY"}


def redis(**keys: object) -> Written:
    return written(redis={"url": "redis://127.0.0.1:6379/0", **keys}, routes=[LIMITED])


def test_absent_it_is_none() -> None:
    assert loaded(with_route()).redis is None


def test_the_url_alone_is_enough() -> None:
    assert loaded(redis()).redis == RedisSettings(url="redis://127.0.0.1:6379/0")


def test_every_key_arrives() -> None:
    expected = RedisSettings(url="redis://127.0.0.1:6379/0", timeout_seconds=0.2, key_prefix="shop")
    assert loaded(redis(timeout_seconds=0.2, key_prefix="shop")).redis == expected


def test_the_url_may_come_from_the_environment() -> None:
    settings = loaded(with_route(), GATEWAY_AUTH_REDIS__URL="rediss://u:hunter2@h").redis
    assert settings is not None
    assert settings.url == "rediss://u:hunter2@h"


def test_no_password_is_shown() -> None:
    configuration = loaded(written(redis={"url": "redis://u:hunter2@h"}))
    assert configuration.redis is not None
    shown = [repr(configuration), repr(configuration.redis), str(configuration.redis.__rich_repr__())]
    assert "hunter2" not in "".join(shown)


@pytest.mark.parametrize("prefix", ["{gwa}", "gwa{", "gwa}", "", "a b", "-a"])
def test_a_prefix_that_is_none_is_refused(prefix: str) -> None:
    (problem,) = problems(redis(key_prefix=prefix))
    assert problem.startswith('redis.key_prefix: must be a name: letters, digits and "_.:-"')


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ({"url": "http://h"}, "redis.url"),
        ({"timeout_seconds": 0}, "redis.timeout_seconds"),
        ({"timeout_seconds": 6}, "redis.timeout_seconds"),
        ({"timeout_seconds": "0.05"}, "redis.timeout_seconds"),
        ({"ulr": "redis://h"}, "redis.ulr"),
    ],
    ids=str,
)
def test_a_wrong_value_is_a_problem_of_its_own(keys: Written, path: str) -> None:
    assert [problem.partition(": ")[0] for problem in problems(redis(**keys))] == [path]


def test_without_an_encryption_key_it_warns_how_to_make_one() -> None:
    (warning,) = loaded(redis()).warnings
    assert warning.path == "secrets.encryption_key"
    assert HOW_TO_MAKE_KEY in warning.message


def test_with_one_several_workers_are_no_warning() -> None:
    source = redis() | {"secrets": SECRETS, "gateway": {"workers": 4}}
    assert loaded(source, **ENCRYPTION_KEY).warnings == ()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (with_route(), False),
        (written(routes=[LIMITED]), True),
        (written(routes=[route()], plans={"free": {"limits": [{"rate": "10/minute", "by": "app"}]}}), True),
        (written(routes=[route()], plans={"free": {}}), False),
    ],
    ids=["none", "of a route", "of a plan", "a plan without"],
)
def test_whether_anything_is_limited(source: Written, expected: bool) -> None:
    assert loaded(source).has_limits() is expected
