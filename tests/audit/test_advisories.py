"""The audit of packages, against a source of advisories that this test plays, and against none."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from audit.advisories import LOCKS, Verdict, audit

ROOT = Path(__file__).parents[2]
MENDED: dict[str, object] = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.0.1"}]}
FLAW: dict[str, object] = {
    "id": "PYSEC-2026-1",
    "summary": "Everybody may order for nothing.",
    "affected": [{"package": {"ecosystem": "PyPI", "name": "marketlib"}, "ranges": [MENDED]}],
}


@contextmanager
def advisories(flaws: dict[str, list[dict[str, object]]]) -> Iterator[str]:
    """A server that answers questions about packages as OSV does; its address."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = flaws.get(question["package"]["name"])
            body = json.dumps({} if found is None else {"vulns": found}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    file = tmp_path / "requirements.lock"
    file.write_text(f"marketlib==1.0.0 --hash=sha256:{'0' * 64}\nstalls==2.0.0 --hash=sha256:{'1' * 64}\n")
    return file


def test_a_known_vulnerability_is_reported_with_the_version_that_mends_it(lock: Path) -> None:
    with advisories({"marketlib": [FLAW]}) as address:
        found = audit(lock, ["--vulnerability-service=osv", f"--osv-url={address}"])
    assert found.verdict is Verdict.vulnerable
    assert found.sentences == ("requirements.lock: marketlib 1.0.0 has PYSEC-2026-1, mended in 1.0.1",)


def test_packages_without_a_known_vulnerability_are_clean(lock: Path) -> None:
    with advisories({}) as address:
        found = audit(lock, ["--vulnerability-service=osv", f"--osv-url={address}"])
    assert found.verdict is Verdict.clean


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_of_our_locks_can_be_asked_about(name: str) -> None:
    with advisories({}) as address:
        found = audit(ROOT / name, ["--vulnerability-service=osv", f"--osv-url={address}"])
    assert found.verdict is Verdict.clean, found.sentences


def test_nobody_to_ask_is_not_the_same_as_clean(lock: Path) -> None:
    with advisories({}) as address:
        pass
    found = audit(lock, ["--vulnerability-service=osv", f"--osv-url={address}"])
    assert found.verdict is Verdict.unknown
    assert "NOT AUDITED" in found.sentences[0]
