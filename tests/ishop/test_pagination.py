"""Cursors: opaque, signed, and of one list only."""

from typing import Any

import pytest

from ishop.errors import InvalidRequest
from ishop.pagination import Cursors

FILTERS = {"category": "susu", "in_stock": True}


@pytest.fixture
def cursors() -> Cursors:
    return Cursors("a secret")


class TestRead:
    def test_gives_back_the_key_that_another_replica_wrote(self, cursors: Cursors) -> None:
        cursor = Cursors("a secret").write("products", FILTERS, [12000, "0198"])
        assert cursors.read(cursor, "products", FILTERS) == [12000, "0198"]

    def test_gives_back_the_key_that_was_written(self, cursors: Cursors) -> None:
        cursor = cursors.write("products", FILTERS, [12000, "0198"])
        assert cursors.read(cursor, "products", FILTERS) == [12000, "0198"]

    def test_is_none_on_the_first_page(self, cursors: Cursors) -> None:
        assert cursors.read(None, "products", FILTERS) is None

    @pytest.mark.parametrize(
        ("listing", "filters"),
        [("vendors", FILTERS), ("products", {}), ("products", FILTERS | {"category": "madu"})],
    )
    def test_refused_when_it_is_of_another_list(self, cursors: Cursors, listing: str, filters: dict[str, Any]) -> None:
        cursor = cursors.write("products", FILTERS, [1])
        with pytest.raises(InvalidRequest) as refused:
            cursors.read(cursor, listing, filters)
        assert refused.value.errors[0]["pointer"] == "/cursor"

    @pytest.mark.parametrize("cursor", ["", "x", "AAAA", "é", "A" * 1000, "====", "\u0000"])
    def test_refused_when_it_is_not_ours(self, cursors: Cursors, cursor: str) -> None:
        with pytest.raises(InvalidRequest):
            cursors.read(cursor, "products", FILTERS)

    def test_refused_when_one_character_was_changed(self, cursors: Cursors) -> None:
        cursor = cursors.write("products", FILTERS, [1])
        for place in range(0, len(cursor) - 1, 3):
            changed = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
            with pytest.raises(InvalidRequest):
                cursors.read(changed, "products", FILTERS)

    def test_refused_when_another_market_signed_it(self, cursors: Cursors) -> None:
        other = Cursors("another secret")
        with pytest.raises(InvalidRequest):
            cursors.read(other.write("products", FILTERS, [1]), "products", FILTERS)
