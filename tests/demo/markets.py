"""Markets of the demo generators, composed once for all tests that only look at rows."""

from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import NamedTuple

from demo.listings import Listings, Rows
from demo.market import STANDARD_PRODUCTS, STANDARD_VENDORS
from demo.material import Material
from demo.producers import Producer, producers

TODAY = date(2026, 11, 22)


class Composed(NamedTuple):
    """A market as rows, without a database."""

    material: Material
    producers: Sequence[Producer]
    rows: Rows


@cache
def composed(vendors: int = STANDARD_VENDORS, products: int = STANDARD_PRODUCTS, seed: int = 1) -> Composed:
    """The rows that a build of this size and seed copies."""
    material = Material.load()
    everybody = tuple(producers(material, vendors, products, seed))
    (rows,) = Listings(material, everybody, seed, TODAY).batches(products)
    return Composed(material, everybody, rows)
