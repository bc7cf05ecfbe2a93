"""Settings: what an operator may set, and what is refused outside development."""

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from ishop.settings import Environment, Role, Settings

KEY = SecretStr('{"kty": "OKP"}')


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


class TestDevelopment:
    def test_needs_no_setting(self) -> None:
        assert settings().env is Environment.development

    def test_is_frozen(self) -> None:
        with pytest.raises(ValidationError):
            setattr(settings(), "port", 1)  # noqa: B010 - a plain assignment would not pass the type check.

    def test_reads_off_as_false(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ISHOP_RATE_LIMITS", "off")
        assert settings().rate_limits is False

    def test_reads_the_meilisearch_address_without_prefix(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MEILI_URL", "http://127.0.0.1:7700")
        assert settings().meili_url == "http://127.0.0.1:7700"


class TestProduction:
    def test_accepts_set_secrets(self) -> None:
        made = settings(env="production", database_password=SecretStr("secret"), signing_key=KEY)
        assert made.database_dsn(Role.orders) == "postgresql://ishop_orders:secret@127.0.0.1:5432/ishop"

    @pytest.mark.parametrize(
        ("values", "missing"),
        [
            ({"signing_key": KEY}, "ISHOP_DATABASE_PASSWORD"),
            ({"database_password": SecretStr("secret")}, "ISHOP_SIGNING_KEY"),
            ({"database_password": SecretStr("secret"), "signing_key": KEY, "rate_limits": False}, "ISHOP_RATE_LIMITS"),
        ],
    )
    def test_refused_when_a_default_is_left(self, values: dict[str, Any], missing: str) -> None:
        with pytest.raises(ValidationError, match=missing):
            settings(env="production", **values)

    def test_secrets_do_not_show(self) -> None:
        made = settings(env="production", database_password=SecretStr("secret"), signing_key=KEY)
        assert "secret" not in repr(made)
        assert "OKP" not in repr(made)
