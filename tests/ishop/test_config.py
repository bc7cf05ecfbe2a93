"""`ishop config`: what is in effect, where it comes from, and what is wrong, without ever showing a secret."""

import asyncio
from pathlib import Path

import pytest

from ishop.home import load_secrets
from ishop.needs import PROCESSES
from ishop.settings import Settings, variable_of
from tests.ishop.commands import ishop
from tests.ishop.homes import temporary_home

SECRET = "a-secret-that-nobody-may-see"


def shown(text: str) -> dict[str, tuple[str, str]]:
    """The value and the source of every setting."""
    found = {}
    for line in text.splitlines():
        variable, *value, source = line.replace("secrets file", "secrets_file").split()
        found[variable] = (" ".join(value), source)
    return found


class TestEffective:
    async def test_every_setting_has_its_value_and_source(self, tmp_path: Path) -> None:
        files = tmp_path / "secrets"
        files.mkdir()
        (files / "ishop_orders_password").write_text(SECRET)
        (files / "ishop_port").write_text("9001")
        (tmp_path / ".env").write_text(f"ISHOP_PORT=9002\nISHOP_LOG_LEVEL=DEBUG\nISHOP_VENDORS_PASSWORD={SECRET}\n")
        ended = await ishop(
            "config",
            cwd=tmp_path,
            environment={
                "ISHOP_DATABASE_HOST": "db.internal",
                "ISHOP_LOG_LEVEL": "warning",
                "ISHOP_SECRETS_DIR": str(files),
                "ISHOP_SIGNING_KEY": SECRET,
                "MEILI_URL": f"http://search:{SECRET}@search.internal:7700",
            },
        )
        assert (ended.code, ended.err) == (0, "")
        found = shown(ended.out)
        assert found.keys() == {variable_of(name) for name in Settings.model_fields}
        assert found["ISHOP_DATABASE_HOST"] == ("db.internal", "environment")
        assert found["ISHOP_LOG_LEVEL"] == ("warning", "environment")
        assert found["ISHOP_PORT"] == ("9002", ".env")
        assert found["ISHOP_VENDORS_PASSWORD"] == ("***", ".env")
        assert found["ISHOP_ORDERS_PASSWORD"] == ("***", "secrets_file")
        assert found["ISHOP_SIGNING_KEY"] == ("***", "environment")
        assert found["MEILI_URL"] == ("http://***search.internal:7700", "environment")
        assert found["ISHOP_RATE_LIMITS"] == ("on", "default")
        assert found["ISHOP_CATALOG_PASSWORD"] == ("", "default")
        assert SECRET not in ended.out

    async def test_the_home_of_a_market_is_shown_with_its_secrets_masked(self, tmp_path: Path) -> None:
        with temporary_home() as home:
            secrets = await asyncio.to_thread(load_secrets, home)
            ended = await ishop("config", "up", cwd=tmp_path, environment={"ISHOP_HOME": str(home)})
        found = shown(ended.out)
        assert ended.code == 0
        assert found["ISHOP_HOME"] == (str(home), "environment")
        assert found["ISHOP_ORDERS_PASSWORD"] == found["ISHOP_SIGNING_KEY"] == ("***", "home")
        for secret in (secrets.signing_key, secrets.superuser_password, *secrets.role_passwords.values()):
            assert secret not in ended.out

    async def test_a_misspelt_variable_is_named(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("ISHOP_PROT=9000\n")
        ended = await ishop("config", cwd=tmp_path, environment={"ISHOP_LOGLEVEL": SECRET})
        assert ended.code == 0
        assert [line.split()[0] for line in ended.err.splitlines()] == ["ISHOP_LOGLEVEL", "ISHOP_PROT"]
        assert SECRET not in ended.err + ended.out


class TestWrong:
    async def test_each_wrong_setting_is_one_sentence(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("ISHOP_PORT=none\nISHOP_LOG_LEVEL=loud\n")
        ended = await ishop("config", cwd=tmp_path, environment={"ISHOP_ENV": "staging"})
        assert (ended.code, ended.out) == (1, "")
        assert [line.partition(" cannot be used: ")[0] for line in ended.err.splitlines()] == [
            "ISHOP_ENV",
            "ISHOP_PORT",
            "ISHOP_LOG_LEVEL",
        ]

    @pytest.mark.parametrize("process", ["worker", "gateway", "up"])
    async def test_what_a_process_misses_is_said(self, tmp_path: Path, process: str) -> None:
        environment = {"ISHOP_ENV": "production", "ISHOP_DATABASE_HOST": "db.internal"}
        ended = await ishop("config", process, cwd=tmp_path, environment=environment)
        assert ended.code == 1
        missing = [role.variable for role in PROCESSES[process].roles]
        missing += ["ISHOP_SIGNING_KEY"] * PROCESSES[process].signs
        missing += ["ISHOP_MAIL_URL"] * PROCESSES[process].mails
        assert [line.split()[1] for line in ended.err.splitlines()] == missing
        assert "Traceback" not in ended.err

    async def test_an_unknown_process_is_refused(self, tmp_path: Path) -> None:
        ended = await ishop("config", "kitchen", cwd=tmp_path, environment={})
        assert ended.code == 1
        assert ended.err.startswith("There is no process 'kitchen'; choose ")
