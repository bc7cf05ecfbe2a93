"""The search for secrets: planted ones are found wherever they are, and what is public or random words is not."""

import subprocess
from pathlib import Path

import pytest

from audit.leaks import KINDS, leaks_in, leaks_in_files, leaks_in_history, scan
from ishop import env_file

CHANCE = "k9Xq2LmV7tRw4ZbN8cJd" + "6HyP3sGf5AuE1oQi0TxW"
# Put together here, so that this file holds none of them.
PLANTED = {
    "private key": "-----BEGIN OPENSSH " + "PRIVATE KEY-----",
    "private JSON Web Key": '{"kty": "OKP", "d": "' + CHANCE + CHANCE + '"}',
    "signed token": "eyJhbGciOi" + "JFZDI1NTE5In0" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + "." + CHANCE,
    "AWS access key": "AKIA" + "IOSFODNN7EXAMPL1",
    "GitHub token": "ghp_" + CHANCE,
    "Slack token": "xoxb-" + "123456789012-abcdefghij",
    "Stripe key": "sk_live_" + CHANCE,
    "Google API key": "AIza" + CHANCE[:35],
    "password in an address": "postgresql://ishop_orders:" + "correct-horse" + "@db.dinas.go.id:5432/ishop",
    "value of a secret setting": "ISHOP_ORDERS_PASSWORD=" + "correct-horse-battery",
    "secret in a literal": 'api_key = "' + CHANCE + '"',
}


def git(checkout: Path, *arguments: str) -> None:
    author = ["-c", "user.name=T", "-c", "user.email=t@market.test"]
    subprocess.run(["git", *author, *arguments], cwd=checkout, check=True, capture_output=True)  # noqa: S603, S607 - ours.


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one harmless commit."""
    (tmp_path / "market.py").write_text('PASSWORD = "ishop-demo"\n')
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=first")
    return tmp_path


def test_every_kind_is_planted() -> None:
    assert PLANTED.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_secret_is_found_in_the_files_and_for_ever_in_the_history(
    checkout: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "planted.txt").write_text(f"first line\n{PLANTED[kind]}\n")
    assert [(leak.place, leak.kind) for leak in leaks_in_files(checkout)] == [("planted.txt:2", kind)]
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "--message=plant")
    git(checkout, "rm", "--quiet", "planted.txt")
    git(checkout, "commit", "--quiet", "--message=remove")
    assert list(leaks_in_files(checkout)) == []
    found = list(leaks_in_history(checkout))
    assert [leak.kind for leak in found] == [kind]
    assert found[0].place.endswith(" planted.txt")
    assert scan(checkout) is False
    said = capsys.readouterr()
    assert f"planted.txt: looks like a {kind}" in said.err
    assert PLANTED[kind] not in said.err + said.out


def test_every_secret_that_we_make_would_be_found(tmp_path: Path) -> None:
    template = tmp_path / "template"
    template.write_text("POSTGRES_PASSWORD=\nMEILI_MASTER_KEY=\nISHOP_ORDERS_PASSWORD=\nISHOP_SIGNING_KEY=\n")
    assert env_file.write(template, tmp_path / "made") == []
    for line in (tmp_path / "made").read_text().splitlines():
        assert list(leaks_in("made", line)), line.partition("=")[0]


def test_an_ignored_file_may_hold_secrets(checkout: Path) -> None:
    (checkout / ".gitignore").write_text(".env\n")
    (checkout / ".env").write_text(f"{PLANTED['value of a secret setting']}\n")
    assert scan(checkout) is True


@pytest.mark.parametrize(
    "line",
    [
        'PASSWORD: Final = "ishop-demo"',
        'DEVELOPMENT_PASSWORD: Final = "ishop-development"',
        'password="a-password-that-all-roles-have"',
        "ISHOP_ORDERS_PASSWORD=",
        "      ISHOP_ORDERS_PASSWORD: ${ISHOP_ORDERS_PASSWORD:?run make secrets}",
        'f"postgresql://{role}:{password}@{host}"',
        "postgresql://ishop_orders:pa55word@127.0.0.1:5432/ishop",
    ],
)
def test_what_is_no_secret_is_not_reported(line: str) -> None:
    assert list(leaks_in("here", line)) == []
