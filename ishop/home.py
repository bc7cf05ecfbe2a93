"""The home directory of one market on one machine (ISHOP_HOME): who may reach it, its lock files and its secrets."""

import dataclasses
import fcntl
import hashlib
import json
import logging
import os
import pwd
import secrets
import stat
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from joserfc.jwk import OKPKey
from pydantic import SecretStr

from ishop.settings import Role

logger = logging.getLogger(__name__)

Progress = Callable[[str], None]
"""Called with one readable sentence when something takes long or needs attention."""

SYSTEM_HOMES = Path("/var/lib/ishop")
UNPRIVILEGED_USERS = ("postgres", "nobody")
CLUSTER = "postgres"


class StartupError(Exception):
    """Why a server of this machine cannot start, as a sentence that tells the operator what to do."""


@dataclass(frozen=True)
class Account:
    """A system user that a server program runs as."""

    name: str
    uid: int
    gid: int

    def may(self, status: os.stat_result, wanted: int) -> bool:
        """Whether the permission bits (4 read, 2 write, 1 enter or execute) let this user do all of `wanted`."""
        mode = stat.S_IMODE(status.st_mode)
        if status.st_uid == self.uid:
            mode >>= 6
        elif status.st_gid == self.gid:
            mode >>= 3
        return mode & wanted == wanted


def log_progress(message: str) -> None:
    """The default `Progress`: an information line in the log."""
    logger.info(message)


def server_account(home: Path) -> Account | None:
    """The unprivileged user that PostgreSQL of this home runs as when we are root; None means: as ourselves.

    PostgreSQL refuses to run as root. The owner of existing data stays its owner; otherwise it is the system's
    `postgres` user where there is one, or `nobody`.
    """
    if os.geteuid() != 0:
        return None
    cluster = home / CLUSTER
    if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
        return Account(name=f"user {owner.st_uid}", uid=owner.st_uid, gid=owner.st_gid)
    for name in UNPRIVILEGED_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise StartupError("PostgreSQL refuses to run as root and this system has no user `postgres` or `nobody`.")


def blocking_parent(path: Path, account: Account) -> Path | None:
    """The first existing directory above `path` that this user may not pass through."""
    for directory in reversed(path.parents):
        if directory.exists() and not account.may(directory.stat(), 1):
            return directory
    return None


def default_home(checkout: Path, progress: Progress = log_progress) -> Path:
    """Where the data goes when the operator chose no ISHOP_HOME.

    It is `.ishop` in the checkout, or, when we are root and the checkout lies where the unprivileged server user
    cannot go (below /root, say), a directory in /var/lib/ishop of its own for every checkout, which is reported.
    """
    checkout = checkout.resolve()
    home = checkout / ".ishop"
    account = server_account(home)
    if account is None or (blocked := blocking_parent(home, account)) is None:
        return home
    fallback = SYSTEM_HOMES / hashlib.sha256(bytes(checkout)).hexdigest()[:12]
    progress(
        f"The data is kept in {fallback}: PostgreSQL runs as `{account.name}`, who may not enter {blocked}. "
        f"Set ISHOP_HOME to choose another place."
    )
    return fallback


def prepare_home(home: Path) -> Account | None:
    """Create the home where it is missing and return who its PostgreSQL runs as.

    Raises StartupError before anything is changed when that user cannot reach it. Directories above it are created if
    missing and otherwise left as they are; the home itself is made passable (not listable) for that user.
    """
    for path in (*reversed(home.parents), home):
        if path.is_file():
            raise StartupError(f"{path} is a file, not a directory. Set ISHOP_HOME to another place than {home}.")
    account = server_account(home)
    if account is not None and (blocked := blocking_parent(home, account)) is not None:
        raise StartupError(
            f"PostgreSQL cannot run as root, and the user it runs as, `{account.name}`, may not enter {blocked}, "
            f"which is on the way to {home}. Choose a place that every user can reach, for example "
            f"ISHOP_HOME={SYSTEM_HOMES}, or start as an ordinary user."
        )
    try:
        for directory in (*reversed(home.parents), home):
            if not directory.exists():
                directory.mkdir(exist_ok=True)
                directory.chmod(0o755)
        if account is not None and not account.may(home.stat(), 1):
            home.chmod(stat.S_IMODE(home.stat().st_mode) | stat.S_IXGRP | stat.S_IXOTH)
    except OSError as error:
        raise StartupError(f"The home directory {home} cannot be made: {error}. Set ISHOP_HOME.") from error
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        raise StartupError(
            f"The home directory {home} belongs to another user (number {home.stat().st_uid}). "
            f"Start as that user, or set ISHOP_HOME to a place of your own."
        )
    return account


def take_lock(path: Path, owned: str) -> TextIO:
    """Hold a lock file until the returned file is closed or this process ends; says who holds it when it is taken."""
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise StartupError(
            f"{owned} is already in use by process {holder}. Stop that one first, or give this one a home and a port "
            f"of its own (ISHOP_HOME, ISHOP_PORT)."
        ) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


@dataclass(frozen=True)
class Secrets:
    """The secrets of one home, made once; none of them shows in a printed or logged `Secrets`."""

    superuser_password: str = field(repr=False)
    """Of the PostgreSQL superuser `postgres`."""
    role_passwords: Mapping[str, str] = field(repr=False)
    """Of each login role of the market, by its short name."""
    signing_key: str = field(repr=False)
    """An Ed25519 private key as a JSON Web Key, which signs access tokens."""
    meili_key: str = field(repr=False)
    """The master key of the Meilisearch that runs as our child."""

    @property
    def settings(self) -> dict[str, Any]:
        """The passwords of the roles as fields of `Settings`."""
        return {f"{name}_password": SecretStr(password) for name, password in self.role_passwords.items()}


def new_signing_key() -> OKPKey:
    """A private key for access tokens, named by its thumbprint."""
    return OKPKey.generate_key("Ed25519", {"use": "sig"}, private=True, auto_kid=True)


def load_secrets(home: Path) -> Secrets:
    """The secrets of this home, created on the first call (mode 0600) and safe against a parallel first call."""
    path = home / "secrets.json"
    if not path.exists():
        prepare_home(home)
        if (home / CLUSTER).exists():
            raise StartupError(
                f"{path} is missing, and with it the passwords of the data in {home / CLUSTER}. "
                f"Put it back from a backup, or remove {home} to start with an empty market."
            )
        _create_secrets(path)
    try:
        kept = json.loads(path.read_text())
        if "database_password" in kept:  # This home was made when all roles had one password, and goes on with it.
            kept["role_passwords"] = {role.name: kept["database_password"] for role in Role}
            del kept["database_password"]
        return Secrets(**kept)
    except (OSError, ValueError, TypeError) as error:
        raise StartupError(f"{path} cannot be read ({error}). Start as the user who made it, or restore it.") from error


def _create_secrets(path: Path) -> None:
    made = Secrets(
        superuser_password=secrets.token_urlsafe(32),
        role_passwords={role.name: secrets.token_urlsafe(32) for role in Role},
        signing_key=json.dumps(new_signing_key().as_dict(private=True)),
        meili_key=secrets.token_urlsafe(32),
    )
    # A link appears whole or not at all and never replaces what a parallel first call has made; mkstemp gives 0600.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".secrets-")
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(dataclasses.asdict(made), file, indent=2)
            file.flush()
            os.fsync(descriptor)
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        Path(temporary).unlink()
