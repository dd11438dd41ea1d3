"""What every test of imported keys starts from."""

import pytest

from tests.imported.foreign import provide_bcrypt


@pytest.fixture(autouse=True)
def bcrypt_library(monkeypatch: pytest.MonkeyPatch) -> None:
    provide_bcrypt(monkeypatch)
