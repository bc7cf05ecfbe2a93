"""Distances over the earth, in kilometres; coordinates are degrees."""

import math
from dataclasses import dataclass
from typing import Final

EARTH_RADIUS_KM: Final = 6371.0
KM_PER_DEGREE: Final = 111.2
"""Of latitude, rounded up, so that a box made with it holds the whole circle."""

POLE: Final = 90.0
DATE_LINE: Final = 180.0


@dataclass(frozen=True, slots=True)
class Place:
    """A point on the map."""

    latitude: float
    longitude: float

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Read "-8.58,116.11"; ValueError for anything that is not a point on the earth."""
        latitude, longitude = (float(part) for part in text.split(","))
        if not (abs(latitude) <= POLE and abs(longitude) <= DATE_LINE):  # Says no to NaN too.
            raise ValueError(f"{text!r} is not on the map")
        return cls(latitude, longitude)


def distance_km(here: Place, there: Place) -> float:
    """How far it is as the crow flies (haversine)."""
    latitudes = math.radians(there.latitude - here.latitude)
    longitudes = math.radians(there.longitude - here.longitude)
    half = (
        math.sin(latitudes / 2) ** 2
        + math.cos(math.radians(here.latitude)) * math.cos(math.radians(there.latitude)) * math.sin(longitudes / 2) ** 2
    )
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(half)))
