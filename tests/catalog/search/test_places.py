"""Coordinates and distances."""

import pytest

from services.catalog.search.places import Place, distance_km

MATARAM, BIMA = Place(-8.5833, 116.1167), Place(-8.46728, 118.75259)


class TestPlace:
    def test_reads_latitude_and_longitude(self) -> None:
        assert Place.parse("-8.5833, 116.1167") == MATARAM

    @pytest.mark.parametrize("text", ["", "1", "1,2,3", "a,b", "90.1,0", "0,-180.1", "nan,0", "0,inf"])
    def test_refuses_what_is_not_on_the_map(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"."):
            Place.parse(text)


class TestDistance:
    def test_is_that_of_the_map(self) -> None:
        assert distance_km(MATARAM, BIMA) == pytest.approx(290.1, abs=0.5)
        assert distance_km(MATARAM, BIMA) == distance_km(BIMA, MATARAM)

    def test_nothing_to_itself_and_half_the_earth_to_the_other_side(self) -> None:
        assert distance_km(BIMA, BIMA) == 0
        assert distance_km(Place(0, 0), Place(0, 180)) == pytest.approx(20015, abs=1)
