"""`python -m audit.leaks`: no secret is in the files of this checkout, nor in any commit that led to it.

A secret that was committed once is public for good, so the whole history is read. What is found is named by place and
kind and never printed.
"""

import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PUBLIC: Final = {
    "ishop-demo": "the password of the demo accounts, which exist in development only",
    "ishop-development": "the database password of development, refused elsewhere",
    "u0Wb1mXhQy3v2xq9oKq0c1m7m1bGv5zq8m4hX0b9n2E": "the refresh token that the API document shows as an example",
    "/etc/ssl/shop.example.key": "a path: the setting for the key of TLS names a file",
}
"""What looks like a secret and is none, with the reason."""

KINDS: Final = {
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "private JSON Web Key": re.compile(r"""["']d["']\s*:\s*["']([\w-]{40,})["']"""),
    "signed token": re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}"),
    "AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "GitHub token": re.compile(r"\b(?:gh[pousr]_\w{36,}|github_pat_\w{40,})"),
    "Slack token": re.compile(r"\bxox[abeoprs]-[\w-]{10,}"),
    "Stripe key": re.compile(r"\b[rs]k_live_\w{16,}"),
    "Google API key": re.compile(r"\bAIza[\w-]{35}"),
    # Reserved hosts and this machine are examples: nobody else can reach what such an address opens.
    "password in an address": re.compile(
        r"\b[a-z][a-z0-9+]{2,}://[\w.%-]+:([^\s:/@\"'`{}$<>()*…]{6,})@(?!127\.0\.0\.1|localhost|[\w.-]+\.(?:test|example)\b)"
    ),
    "value of a secret setting": re.compile(
        r"^(?:ISHOP|MEILI|POSTGRES)_\w*(?:PASSWORD|KEY|KEYS)\s*[=:]\s*['\"]?([^\s'\"$]{8,})"
    ),
    "secret in a literal": re.compile(
        r"(?i)(?:password|passwd|secret|token|api_?key|master_?key)\w*[\"']?\s*[:=]\s*(?:SecretStr\()?[\"']([\w+/=-]{20,})[\"']"
    ),
}  # fmt: skip
LEAST_ENTROPY: Final = 4.0
"""Bits a character of a literal: below it, it is words (`a-password-of-its-own` has 3.3) and not chance."""

LONGEST_LINE: Final = 20_000


@dataclass(frozen=True)
class Leak:
    """Where something that looks like a secret is."""

    place: str
    kind: str


def leaks_in(place: str, line: str) -> Iterator[Leak]:
    """What looks like a secret in one line."""
    if len(line) > LONGEST_LINE:
        return
    for kind, pattern in KINDS.items():
        for found in pattern.finditer(line):
            value = found[found.lastindex or 0]
            if value in PUBLIC or (kind == "secret in a literal" and _entropy(value) < LEAST_ENTROPY):
                continue
            yield Leak(place, kind)


def leaks_in_files(checkout: Path) -> Iterator[Leak]:
    """Leaks in the files that are committed or could be with the next `git add`."""
    names = _git(checkout, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in sorted("".join(names).split("\0")):
        file = checkout / name
        if name and file.is_file():
            for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
                yield from leaks_in(f"{name}:{number}", line)


def leaks_in_history(checkout: Path) -> Iterator[Leak]:
    """Leaks in the lines that any commit of this branch added."""
    commit = name = ""
    for line in _git(checkout, "log", "-p", "--unified=0", "--no-color", "--no-ext-diff", "--format=commit %h", "HEAD"):
        if line.startswith("commit "):
            commit = line.split()[1]
        elif line.startswith("+++ "):
            name = line[4:].strip().removeprefix("b/")
        elif line.startswith("+"):
            yield from leaks_in(f"{commit} {name}", line[1:])


def report(leaks: Iterable[Leak]) -> bool:
    """Say where the leaks are, each kind once a place; whether there is none."""
    distinct = Counter(leaks)
    for leak in distinct:
        sys.stderr.write(f"{leak.place}: looks like a {leak.kind}\n")
    if distinct:
        sys.stderr.write(
            "Replace what leaked at once: a commit cannot be taken back. What is no secret goes to PUBLIC in "
            "audit/leaks.py, with its reason.\n"
        )
    return not distinct


def scan(checkout: Path) -> bool:
    """Look through the files and the history and report; whether there is no leak."""
    clean = report([*leaks_in_files(checkout), *leaks_in_history(checkout)])
    if clean:
        sys.stdout.write("No secret is in the files or in the history.\n")
    return clean


def _entropy(text: str) -> float:
    """Bits a character, by how often each occurs."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


def _git(checkout: Path, *arguments: str) -> Iterator[str]:
    """The lines that git prints; raises CalledProcessError where it fails."""
    command = ["git", "-C", str(checkout), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", errors="replace") as git:  # noqa: S603 - fixed.
        assert git.stdout is not None  # noqa: S101 - asked for in the line before.
        yield from git.stdout
    if git.returncode != 0:
        raise subprocess.CalledProcessError(git.returncode, command)


if __name__ == "__main__":
    sys.exit(not scan(Path()))
