"""docs/metrics.md: that it says what the code does."""

from pathlib import Path

from ishop.telemetry.page import page

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == page(), "run `ishop metrics --write docs/metrics.md`"
