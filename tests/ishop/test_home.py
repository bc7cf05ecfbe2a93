"""Who may reach a home, and the secrets in it."""

import dataclasses
import json
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from joserfc.jwk import OKPKey

from ishop.home import Account, StartupError, default_home, load_secrets, prepare_home, take_lock
from ishop.settings import Role
from tests.ishop.homes import temporary_home

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")


@pytest.fixture
def home() -> Iterator[Path]:
    with temporary_home() as path:
        yield path


class TestPrepareHome:
    def test_nothing_above_the_home_changes_when_it_is_made(self, home: Path) -> None:
        before = [directory.stat().st_mode for directory in home.parents]
        prepare_home(home)
        assert home.is_dir()
        assert [directory.stat().st_mode for directory in home.parents] == before

    @as_root
    def test_error_names_the_blocking_directory_when_it_cannot_be_reached(self, home: Path) -> None:
        home.parent.chmod(0o700)
        with pytest.raises(StartupError, match=rf"may not enter {home.parent}.*ISHOP_HOME=/var/lib/ishop"):
            prepare_home(home / "deep" / "home")
        assert not home.exists()
        assert stat.S_IMODE(home.parent.stat().st_mode) == 0o700

    @as_root
    def test_home_becomes_passable_but_not_listable_when_it_was_private(self, home: Path) -> None:
        home.mkdir(mode=0o700)
        account = prepare_home(home)
        assert account is not None
        assert account.uid != 0
        assert stat.S_IMODE(home.stat().st_mode) == 0o711

    @as_root
    def test_directories_are_passable_when_the_umask_is_strict(self, home: Path) -> None:
        old = os.umask(0o077)
        try:
            account = prepare_home(home / "deep" / "home")
        finally:
            os.umask(old)
        assert account is not None
        assert account.may((home / "deep").stat(), 1)

    def test_error_says_what_to_set_when_the_home_is_a_file(self, home: Path) -> None:
        home.write_text("")
        for place in (home, home / "below"):
            with pytest.raises(StartupError, match=r"is a file, not a directory\. Set ISHOP_HOME"):
                prepare_home(place)
        assert stat.S_IMODE(home.stat().st_mode) & 0o111 == 0


class TestAccount:
    @pytest.mark.parametrize(
        ("uid", "gid", "mode", "allowed"),
        [(7, 1, 0o700, True), (7, 1, 0o077, False), (1, 7, 0o710, True), (1, 7, 0o701, False), (1, 1, 0o701, True)],
    )
    def test_first_matching_class_decides(self, home: Path, uid: int, gid: int, mode: int, allowed: bool) -> None:
        home.mkdir()
        status = home.stat()
        fields = list(status)
        fields[stat.ST_MODE], fields[stat.ST_UID], fields[stat.ST_GID] = mode, 7, 7
        assert Account("someone", uid, gid).may(os.stat_result(fields), 1) is allowed


class TestDefaultHome:
    def test_it_is_in_the_checkout_when_that_can_be_reached(self, home: Path) -> None:
        said: list[str] = []
        home.mkdir(mode=0o755)
        assert default_home(home, said.append) == home / ".ishop"
        assert said == []

    @as_root
    def test_it_is_a_system_directory_of_its_own_when_the_checkout_is_closed(self, home: Path) -> None:
        said: list[str] = []
        home.mkdir(mode=0o700)
        chosen = default_home(home, said.append)
        assert chosen.parent == Path("/var/lib/ishop")
        assert chosen != default_home(home / "other", said.append)
        assert str(chosen) in said[0]
        assert str(home) in said[0]


class TestLock:
    def test_second_owner_is_told_who_holds_it(self, home: Path) -> None:
        prepare_home(home)
        with (
            take_lock(home / "lock", "The data"),
            pytest.raises(StartupError, match=f"The data is already in use by process {os.getpid()}"),
        ):
            take_lock(home / "lock", "The data")
        take_lock(home / "lock", "The data").close()


class TestLoadSecrets:
    def test_they_are_made_once_and_for_the_owner_only(self, home: Path) -> None:
        secrets = load_secrets(home)
        assert load_secrets(home) == secrets
        assert stat.S_IMODE((home / "secrets.json").stat().st_mode) == 0o600
        passwords = {secrets.superuser_password, secrets.meili_key, *secrets.role_passwords.values()}
        assert len(passwords) == 2 + len(Role)
        assert [path.name for path in home.iterdir()] == ["secrets.json"]

    def test_signing_key_is_a_private_ed25519_key_with_an_id(self, home: Path) -> None:
        key = OKPKey.import_key(json.loads(load_secrets(home).signing_key))
        assert key.is_private
        assert key.curve_name == "Ed25519"
        assert key.kid

    def test_all_callers_get_the_same_when_the_first_calls_are_parallel(self, home: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            assert len({secrets.superuser_password for secrets in pool.map(load_secrets, [home] * 8)}) == 1

    def test_one_password_serves_all_roles_when_the_home_was_made_with_one(self, home: Path) -> None:
        made = load_secrets(home)
        old = dataclasses.asdict(made) | {"database_password": "the only one"}
        del old["role_passwords"]
        (home / "secrets.json").write_text(json.dumps(old))
        found = load_secrets(home)
        assert found.superuser_password == made.superuser_password
        assert found.role_passwords == {role.name: "the only one" for role in Role}

    def test_none_shows_when_printed(self, home: Path) -> None:
        assert repr(load_secrets(home)) == "Secrets()"

    def test_new_ones_are_refused_when_there_is_data_already(self, home: Path) -> None:
        (home / "postgres").mkdir(parents=True)
        with pytest.raises(StartupError, match=r"secrets\.json is missing"):
            load_secrets(home)
        assert not (home / "secrets.json").exists()

    @pytest.mark.parametrize("text", ["", "{}", "[]", '{"other": 1}'])
    def test_error_names_the_file_when_it_is_damaged(self, home: Path, text: str) -> None:
        home.mkdir()
        (home / "secrets.json").write_text(text)
        with pytest.raises(StartupError, match=r"secrets\.json cannot be read"):
            load_secrets(home)
