"""Settings: what an operator may set, where secrets are found, and what is refused outside development."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from ishop.needs import PROCESSES, require
from ishop.settings import SHORTEST_PASSWORD, Environment, Role, Settings, SettingsError, get_settings

KEY = SecretStr('{"kty": "OKP"}')
OWN = SecretStr("a-password-of-its-own")
SHARED = SecretStr("a-password-that-all-roles-have")


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory; the settings of the process are read anew."""
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


class TestDevelopment:
    def test_needs_no_setting(self) -> None:
        made = settings()
        assert made.env is Environment.development
        for process in PROCESSES:
            require(made, process)

    def test_is_frozen(self) -> None:
        with pytest.raises(ValidationError):
            setattr(settings(), "port", 1)  # noqa: B010 - a plain assignment would not pass the type check.

    def test_reads_off_as_false(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ISHOP_RATE_LIMITS", "off")
        assert settings().rate_limits is False

    def test_reads_the_meilisearch_address_without_prefix(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MEILI_URL", "http://127.0.0.1:7700")
        assert settings().meili_url == "http://127.0.0.1:7700"


class TestPassword:
    @pytest.mark.parametrize("env", list(Environment))
    def test_own_one_goes_before_the_one_of_all(self, env: Environment) -> None:
        made = settings(env=env, orders_password=OWN, database_password=SHARED)
        assert made.password(Role.orders) == OWN.get_secret_value()
        assert {made.password(role) for role in Role if role is not Role.orders} == {SHARED.get_secret_value()}

    def test_every_role_reads_its_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for role in Role:
            monkeypatch.setenv(role.variable, f"password of {role}")
        assert settings().passwords() == {role: f"password of {role}" for role in Role}

    def test_address_holds_it_escaped(self) -> None:
        made = settings(orders_password=SecretStr("a/b@c:d?e%f#g h"))
        assert made.database_dsn(Role.orders) == (
            "postgresql://ishop_orders:a%2Fb%40c%3Ad%3Fe%25f%23g%20h@127.0.0.1:5432/ishop"
        )

    def test_short_one_is_refused_in_production(self) -> None:
        short = SecretStr("x" * (SHORTEST_PASSWORD - 1))
        assert settings(orders_password=short).password(Role.orders) == short.get_secret_value()
        with pytest.raises(SettingsError, match="ISHOP_ORDERS_PASSWORD is shorter than 16 characters"):
            settings(env="production", orders_password=short).password(Role.orders)


class TestRequire:
    @pytest.mark.parametrize("process", list(PROCESSES))
    def test_each_process_starts_with_exactly_what_it_needs(self, process: str) -> None:
        needs = PROCESSES[process]
        given: dict[str, Any] = {f"{role.name}_password": OWN for role in needs.roles}
        if needs.signs:
            given["signing_key"] = KEY
        if needs.verifies:
            given["verify_keys"] = "{}"
        if needs.mails:
            given["mail_url"] = SecretStr("smtp://mail.example.org")
        require(settings(env="production", **given), process)
        for left_out in given:
            others = {name: value for name, value in given.items() if name != left_out}
            with pytest.raises(SettingsError) as refused:
                require(settings(env="production", **others), process)
            sentences = str(refused.value).splitlines()
            assert len(sentences) == 1
            assert sentences[0].startswith(f"{process}: ISHOP_{left_out.upper()} is missing: ")

    def test_says_one_sentence_for_each_missing_secret(self) -> None:
        with pytest.raises(SettingsError) as refused:
            require(settings(env="production"), "worker")
        assert [line.split()[1] for line in str(refused.value).splitlines()] == [
            "ISHOP_WORKER_PASSWORD",
            "ISHOP_GATEWAY_PASSWORD",
            "ISHOP_CATALOG_PASSWORD",
            "ISHOP_VENDORS_PASSWORD",
            "ISHOP_ORDERS_PASSWORD",
            "ISHOP_MAIL_URL",
        ]

    def test_service_may_check_tokens_with_the_private_key(self) -> None:
        require(settings(env="production", orders_password=OWN, signing_key=KEY), "orders")


class TestProduction:
    def test_rate_limits_cannot_be_turned_off(self) -> None:
        with pytest.raises(ValidationError, match="ISHOP_RATE_LIMITS=off is for development only"):
            settings(env="production", rate_limits=False)

    def test_secrets_do_not_show(self) -> None:
        made = settings(env="production", database_password=SHARED, orders_password=OWN, signing_key=KEY)
        for secret in (SHARED, OWN, KEY):
            assert secret.get_secret_value() not in repr(made)


class TestGetSettings:
    def test_reads_secrets_from_files_named_like_the_variables(
        self, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files = elsewhere / "secrets"
        files.mkdir()
        (files / "ishop_orders_password").write_text(f"{OWN.get_secret_value()}\n")
        (files / "meili_master_key").write_text("of the file")
        (files / "ishop_vendors_password").write_text("of the file")
        monkeypatch.setenv("ISHOP_VENDORS_PASSWORD", "of the environment")
        monkeypatch.setenv("ISHOP_SECRETS_DIR", str(files))
        made = get_settings()
        assert made.password(Role.orders) == OWN.get_secret_value()
        assert made.password(Role.vendors) == "of the environment"
        assert made.meili_key == SecretStr("of the file")

    def test_does_without_a_directory_of_secrets(self, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ISHOP_SECRETS_DIR", str(elsewhere / "nowhere"))
        assert get_settings().env is Environment.development

    def test_says_one_sentence_for_each_setting_that_cannot_be_used(self, elsewhere: Path) -> None:
        (elsewhere / ".env").write_text("ISHOP_PORT=none\nISHOP_ENV=staging\nISHOP_ORDERS_PASSWORD=never-shown\n")
        with pytest.raises(SettingsError) as refused:
            get_settings()
        sentences = str(refused.value).splitlines()
        assert [sentence.partition(" cannot be used: ")[0] for sentence in sentences] == ["ISHOP_ENV", "ISHOP_PORT"]
        assert "never-shown" not in str(refused.value)

    def test_says_what_is_for_development_only(self, elsewhere: Path) -> None:
        (elsewhere / ".env").write_text("ISHOP_ENV=production\nISHOP_RATE_LIMITS=off\n")
        with pytest.raises(SettingsError) as refused:
            get_settings()
        assert str(refused.value) == "ISHOP_RATE_LIMITS=off is for development only."

    def test_takes_an_empty_variable_for_one_that_is_not_set(
        self, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ISHOP_ORDERS_PASSWORD", "")
        monkeypatch.setenv("ISHOP_PORT", "")
        assert elsewhere == Path.cwd()
        made = get_settings()
        assert made.orders_password is None
        assert made.port == 8000
