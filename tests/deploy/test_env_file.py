"""`make secrets`: a .env with strong secrets, made once, for its owner only."""

import json
import stat
from pathlib import Path

import pytest
from dotenv import dotenv_values
from joserfc.jwk import OKPKey

from ishop import env_file
from ishop.home import StartupError
from ishop.settings import SHORTEST_PASSWORD
from tests.deploy.composition import TEMPLATE, Composition, template_variables


@pytest.fixture
def made(tmp_path: Path) -> Path:
    file = tmp_path / ".env"
    env_file.write(TEMPLATE, file)
    return file


class TestWrite:
    def test_nobody_else_may_read_it(self, made: Path) -> None:
        assert stat.S_IMODE(made.stat().st_mode) == 0o600

    def test_every_secret_is_strong_and_different(self, made: Path) -> None:
        values = {name: value for name, value in dotenv_values(made).items() if name.endswith(("_PASSWORD", "_KEY"))}
        assert len(set(values.values())) == len(values)
        assert all(value and len(value) > 2 * SHORTEST_PASSWORD for value in values.values())

    def test_public_key_is_the_one_of_the_private_key(self, made: Path) -> None:
        values = dotenv_values(made)
        private = OKPKey.import_key(json.loads(values["ISHOP_SIGNING_KEY"] or ""))
        assert private.is_private
        assert json.loads(values["ISHOP_VERIFY_KEYS"] or "") == {"keys": [private.as_dict(private=False)]}

    def test_what_it_cannot_make_is_left_and_named(self, tmp_path: Path) -> None:
        template = tmp_path / "template"
        template.write_text("# A comment, ISHOP_X=\nISHOP_PUBLIC_URL=\nMEILI_MASTER_KEY=\n# GATEWAY_PORT=8000\n")
        assert env_file.write(template, tmp_path / ".env") == ["ISHOP_PUBLIC_URL"]
        lines = (tmp_path / ".env").read_text().splitlines()
        assert lines[:2] == ["# A comment, ISHOP_X=", "ISHOP_PUBLIC_URL="]
        assert lines[2].startswith("MEILI_MASTER_KEY=")
        assert lines[2] != "MEILI_MASTER_KEY="
        assert lines[3] == "# GATEWAY_PORT=8000"

    def test_compose_has_all_it_needs_once_what_was_left_is_set(self, tmp_path: Path) -> None:
        left = env_file.write(TEMPLATE, tmp_path / ".env")
        values = dotenv_values(tmp_path / ".env") | dict.fromkeys(left, "set by hand")
        assert values.keys() == {name for name, default in template_variables().items() if default is None}
        assert Composition(values).services.keys() == Composition().services.keys()

    def test_refused_when_there_is_one(self, made: Path) -> None:
        before = made.read_text()
        with pytest.raises(StartupError, match="is there already"):
            env_file.write(TEMPLATE, made)
        assert made.read_text() == before

    def test_error_names_the_template_when_it_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(StartupError, match=r"template cannot be used: No such file"):
            env_file.write(tmp_path / "template", tmp_path / ".env")
        assert not (tmp_path / ".env").exists()
