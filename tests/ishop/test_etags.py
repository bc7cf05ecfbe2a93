"""ETags and the conditional requests that use them."""

import pytest

from ishop.errors import PreconditionRequired, VersionMismatch
from ishop.etags import etag, matches, require_match


class TestRequireMatch:
    @pytest.mark.parametrize("header", ['"7"', '"6", "7"', "*", ' "7" '])
    def test_passes_when_the_version_is_named(self, header: str) -> None:
        require_match(header, 7)

    def test_428_when_the_header_is_missing(self) -> None:
        with pytest.raises(PreconditionRequired):
            require_match(None, 7)

    @pytest.mark.parametrize("header", ['"6"', "7", '"77"', ""])
    def test_412_when_another_version_is_named(self, header: str) -> None:
        with pytest.raises(VersionMismatch):
            require_match(header, 7)


def test_a_weak_tag_of_the_same_version_matches() -> None:
    assert matches(f"W/{etag(3)}", etag(3))
