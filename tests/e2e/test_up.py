"""`ishop up` as a new user sees it: a real process, a real port, Ctrl-C, and the same data the next time."""

import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import ISHOP, Process, environment
from tests.ishop.homes import temporary_home


@pytest.fixture
def home() -> Iterator[Path]:
    with temporary_home() as path:
        yield path


def servers_of(home: Path) -> list[str]:
    """Processes that run on this home."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if any(str(home) in word for word in words):
                found.append(" ".join(words))
    return found


def test_the_scenario_plays_and_the_market_goes_on_after_a_restart(home: Path, tmp_path: Path) -> None:
    first = Process(home, tmp_path / "first.log")
    try:
        with first.wait_until_open() as client:
            found = client.get("/v1/search/products", params={"q": "gula arn"}).json()
            assert found["hits"][0]["commodity"]["slug"].startswith("gula-")
            assert client.get("/docs").status_code == 200
        said = first.log.read_text()
        assert f"http://127.0.0.1:{first.port}" in said
        assert "vendor2@demo.test" in said
        curls = [line.strip() for line in said.splitlines() if line.strip().startswith("curl ")]
        assert len(curls) == 3
        for line in curls:
            answer = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)  # noqa: S603, S607 - pasted as the banner says.
            assert re.match(r'\{"(hits|access_token|id)"', answer.stdout), answer.stdout
        played = first.run("demo")
        assert played.returncode == 0, played.stdout + played.stderr
        examined = first.run("doctor")
        assert examined.returncode == 0, examined.stdout + examined.stderr
    finally:
        first.stop()
    assert first.process.returncode == 0, first.log.read_text()
    assert servers_of(home) == []

    second = Process(home, tmp_path / "second.log")
    try:
        with second.wait_until_open() as client:
            token = client.post(
                "/v1/auth/token",
                data={"grant_type": "password", "username": "hotel@demo.test", "password": "ishop-demo"},
            ).json()["access_token"]
            orders = client.get("/v1/bulk-orders", headers={"Authorization": f"Bearer {token}"}).json()["items"]
            assert len(orders) == 1
    finally:
        second.stop()
    assert second.process.returncode == 0, second.log.read_text()


def test_it_says_what_to_do_when_the_port_is_taken(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = subprocess.run(  # noqa: S603 - our own program.
            [ISHOP, "up"],
            env=environment(home, taken.getsockname()[1]),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert said.returncode == 1
    assert "ISHOP_PORT" in said.stderr
    assert not home.exists()
