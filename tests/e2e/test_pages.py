"""The pages for each role, and README's scenario: every line is run against a real market and gets what it says."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.pages import ROOT, run_page, script_of
from tests.e2e.processes import ISHOP, Process
from tests.ishop.homes import temporary_home

PAGES = ("README.md", "docs/front-end.md", "docs/hotel-system.md", "docs/vendor-app.md", "docs/operator.md")


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One `ishop up` for all pages."""
    with temporary_home() as home:
        process = Process(home, tmp_path_factory.mktemp("log") / "up.log")
        try:
            process.wait_until_open().close()
            yield process
        finally:
            process.stop()


@pytest.mark.parametrize("name", PAGES)
def test_every_line_gets_what_the_page_says(name: str, market: Process, tmp_path: Path) -> None:
    environment = {**market.environment, "PATH": f"{ISHOP.parent}:{market.environment['PATH']}"}
    assert len(run_page(ROOT / name, tmp_path, environment)) >= 5


class TestRunner:
    """It is worth nothing if it cannot fail."""

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ('curl -s "$API/healthz"  #> 201', "'201', but got 200"),
            ('curl -s "$API/healthz"  #> 200; status = bad', "'status = bad', but got ok"),
            ('curl -s "$API/healthz"  #> 200; ETag', "'ETag', but got None"),
            ('curl -s "$API/healthz"  #> 200; name', "'name', but got None"),
            ('curl -s "$API/healthz"', "1 requests, of which 0 say what they get"),
            ('curl -s "$API/healthz" | field nothing  #> 200', "stops after 0 outcomes"),
        ],
    )
    def test_finds_what_is_not_so(self, line: str, said: str, market: Process, tmp_path: Path) -> None:
        page = tmp_path / "page.md"
        page.write_text(f"# A page\n\n```bash\nsource docs/helpers.sh\n{line}\n```\n")
        kept = tmp_path / "kept"
        kept.mkdir()
        with pytest.raises(AssertionError, match=re.escape(said)):
            run_page(page, kept, market.environment)

    def test_every_outcome_is_in_a_block_that_is_run(self) -> None:
        for name in PAGES:
            assert (ROOT / name).read_text().count("#> ") == script_of(ROOT / name).count("\nexpect "), name
