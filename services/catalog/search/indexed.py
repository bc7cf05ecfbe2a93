"""What the product index is called and how its documents say things that Meilisearch has no type for."""

from datetime import date
from typing import Final

from ishop.settings import Settings

MARKER: Final = "everyproduct"
"""A word that every document has, for searches that only filter."""

UNCERTIFIED: Final = -1
OPEN_ENDED: Final = 2**31 - 1
EPOCH: Final = date(1970, 1, 1)


def index_uid(settings: Settings) -> str:
    """The name of the market's index; by the name of its database, so that markets may share one Meilisearch."""
    return f"{settings.database_name}_products"


def epoch_day(day: date) -> int:
    """A calendar day as a number that can be compared."""
    return (day - EPOCH).days
