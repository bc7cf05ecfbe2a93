"""What a PostgreSQL data directory says about its server: who runs on it, if it is ready, which version made it."""

from pathlib import Path

from ishop.home import StartupError


def read_pid_file(data: Path) -> list[str]:
    """The lines of postmaster.pid: process id, data directory, start time, port, socket, address, memory, status."""
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def is_ready(data: Path, pid: int) -> bool:
    """Whether this very server says that it accepts connections (the line that pg_ctl waits for, too)."""
    match read_pid_file(data):
        case [owner, _, _, _, _, _, _, status]:
            return owner == str(pid) and status.strip() == "ready"
        case _:
            return False


def command_line(pid: int) -> list[str]:
    """The arguments a process was started with; empty for one that ended, a zombie, or one hidden from us."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return []


def recorded_pid(data: Path) -> int | None:
    """The process id in postmaster.pid, whoever has that id now."""
    match read_pid_file(data):
        case [pid, *_] if pid.isdecimal():
            return int(pid)
        case _:
            return None


def running_postmaster(data: Path) -> int | None:
    """The process id of a server that runs on this data directory, checked against that process's arguments."""
    pid = recorded_pid(data)
    if pid is None:
        return None
    match command_line(pid):
        case [program, "-D", directory, *_] if Path(program).name == "postgres" and directory == str(data):
            return pid
        case _:
            return None


def forget_stale_pid(data: Path) -> None:
    """Remove a postmaster.pid whose process id now belongs to another program, as after a power cut.

    PostgreSQL would refuse to start, as it only looks whether such a process exists. Removing is safe: our caller
    holds the lock, and PostgreSQL still refuses while any process is attached to the memory of this data directory.
    """
    pid = recorded_pid(data)
    if pid is None or not Path(f"/proc/{pid}").exists():
        return
    program = next(iter(command_line(pid)), "")
    if Path(program).name != "postgres":
        (data / "postmaster.pid").unlink(missing_ok=True)


def check_version(data: Path, ours: str) -> None:
    """Refuse data of another major version than `ours` ("18.6.3"), which the server could not read."""
    found = (data / "PG_VERSION").read_text().strip()
    major = ours.partition(".")[0]
    if found != major:
        raise StartupError(
            f"The data in {data} was made by PostgreSQL {found}, and this is PostgreSQL {major}. Dump it with the old "
            f"version of i-Shop (pg_dump), move the directory away, start again and restore the dump."
        )
