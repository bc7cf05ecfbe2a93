"""Whether any package of the locks has a known vulnerability, asked of the advisories that the package index keeps."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

import orjson

LOCKS: Final = ("requirements.lock", "requirements-dev.lock")


class Verdict(IntEnum):
    """The result, and the exit code of `make audit`."""

    clean = 0
    vulnerable = 1
    unknown = 2
    """Nobody could be asked, which is not the same as clean."""


@dataclass(frozen=True)
class Audit:
    """What is known about the packages of one lock."""

    verdict: Verdict
    sentences: tuple[str, ...]


def audit(lock: Path, service: Sequence[str] = ()) -> Audit:
    """Ask about every package of `lock`; `service` are options of pip-audit that name another source of advisories."""
    # Strict: a package that the source does not know is a question that was not answered. So it also ends at the
    # first answer of an index that keeps no advisories, instead of asking it about every package.
    command = [
        sys.executable, "-m", "pip_audit", "--strict", "--disable-pip", "--require-hashes", "--progress-spinner=off",
        "--format=json", f"--requirement={lock}", *service,
    ]  # fmt: skip
    asked = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own words.
    try:
        packages = orjson.loads(asked.stdout)["dependencies"]
    except (orjson.JSONDecodeError, KeyError):
        reason = asked.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no answer"]
        return Audit(Verdict.unknown, (f"{lock.name}: NOT AUDITED, nobody could be asked: {reason[0]}",))
    found = tuple(
        f"{lock.name}: {package['name']} {package['version']} has {flaw['id']}, "
        f"mended in {', '.join(flaw['fix_versions']) or 'no version yet'}"
        for package in packages
        for flaw in package["vulns"]
    )
    if found:
        return Audit(Verdict.vulnerable, found)
    return Audit(Verdict.clean, (f"{lock.name}: none of {len(packages)} packages has a known vulnerability.",))
