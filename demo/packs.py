"""What is in a pack: content in the commodity's base unit, weight, and how its price follows from the basis price."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

PIECE_UNITS: Final = frozenset({"pcs", "lembar", "butir"})
"""Selling units that are counted; every other commodity is counted in kg or litres, by its price basis."""

GRAMS: Final[Mapping[str, float]] = {"g": 1, "kg": 1000}
MILLILITRES: Final[Mapping[str, float]] = {"ml": 1, "l": 1000}

SIZE_EXPONENT: Final = 0.95
"""A pack of n times the content costs n to this power: twice the size is 3.4 % cheaper per unit."""

CARTON_LIMIT_GRAMS: Final = 12_000
CARTON_SIZES: Final = (40, 24, 20, 12, 10, 6)
CARTON_DISCOUNT: Final = 0.92
HUNDRED_RUPIAH_BELOW: Final = 20_000

_PACK = re.compile(r"(?P<amount>\d+)(?: x \d+)? (?P<unit>[a-z]+)")


@dataclass(frozen=True, slots=True)
class Pack:
    """One pack size. `factor` is its price as a multiple of the basis price."""

    name: str
    code: str
    content: Decimal
    weight_grams: int
    factor: float
    min_quantity: int


@dataclass(frozen=True, slots=True)
class Measures:
    """How one commodity is measured, apart from what its pack names say."""

    base_unit: str
    content_of_one: Mapping[str, float]
    litre_grams: float
    piece_grams: float

    def content(self, pack: str) -> float:
        """Content of a pack such as "250 g", "20 sachet" or "200 x 100 cm" in the base unit; ValueError if unknown."""
        amount, unit = read_pack(pack)
        if unit in self.content_of_one:
            return amount * self.content_of_one[unit]
        if self.base_unit == "kg" and unit in GRAMS:
            return amount * GRAMS[unit] / 1000
        if self.base_unit == "l" and unit in MILLILITRES:
            return amount * MILLILITRES[unit] / 1000
        if self.base_unit == "pcs":
            # A bar of 60 g, a pearl of 1 g or a cloth of 200 x 100 cm is one piece.
            return 1 if unit in GRAMS or unit == "cm" else amount
        raise ValueError(f"{pack!r} cannot be counted in {self.base_unit}")

    def net_grams(self, pack: str) -> float:
        """Weight of the content alone."""
        amount, unit = read_pack(pack)
        if unit in GRAMS:
            return amount * GRAMS[unit]
        match self.base_unit:
            case "kg":
                return self.content(pack) * 1000
            case "l":
                return self.content(pack) * self.litre_grams
            case _:
                return self.content(pack) * self.piece_grams

    def shipping_grams(self, pack: str) -> int:
        """Weight with its bag, bottle or wrapping; an estimate."""
        share, fixed = {"kg": (1.05, 5), "l": (1.1, 20), "pcs": (1.03, 2)}[self.base_unit]
        return round(self.net_grams(pack) * share + fixed)

    def size(self, pack: str, basis: str) -> float:
        """How many times the basis a pack holds: by weight where pieces are priced by weight, else by content."""
        if self.base_unit == "pcs" and read_pack(basis)[1] in GRAMS:
            return self.net_grams(pack) / self.net_grams(basis)
        return self.content(pack) / self.content(basis)


def read_pack(pack: str) -> tuple[int, str]:
    """Amount and unit of a pack name; ValueError for another form."""
    match = _PACK.fullmatch(pack)
    if match is None:
        raise ValueError(f"{pack!r} is not a pack size")
    return int(match["amount"]), match["unit"]


def base_unit(selling_unit: str, basis: str) -> str:
    """kg, l or pcs for a commodity sold by `selling_unit` whose price is given per `basis`."""
    if selling_unit in PIECE_UNITS:
        return "pcs"
    return "l" if read_pack(basis)[1] in MILLILITRES else "kg"


def measure(row: Mapping[str, Any], tables: Mapping[str, Any]) -> tuple[str, tuple[Pack, ...]]:
    """Base unit and packs of one commodity of the data files, in the order listed there."""
    slug, basis = row["slug"], row["price_basis"].removeprefix("per ")
    unit = base_unit(row["unit"], basis)
    measures = Measures(
        base_unit=unit,
        content_of_one=tables["content_of_one"].get(slug, {}),
        litre_grams=tables["litre_grams"].get(row["category"], 1000),
        piece_grams=tables["piece_grams"][slug] if unit == "pcs" else 0,
    )
    least = tables["min_quantity"].get(slug, {})
    packs = tuple(
        Pack(
            name=name,
            code=name.upper().replace(" ", ""),
            content=Decimal(f"{measures.content(name):.4f}"),
            weight_grams=measures.shipping_grams(name),
            factor=measures.size(name, basis) ** SIZE_EXPONENT,
            min_quantity=least.get(name, 1),
        )
        for name in row["pack_sizes"]
    )
    return unit, packs


def carton_size(pack: Pack) -> int | None:
    """How many of a pack one carton holds, or None for a pack that is too heavy or is itself sold by the lot."""
    if pack.min_quantity > 1:
        return None
    return next((size for size in CARTON_SIZES if size * pack.weight_grams <= CARTON_LIMIT_GRAMS), None)


def round_price(rupiah: float) -> int:
    """A price as a shop writes it: whole hundreds below Rp20,000, whole five hundreds above."""
    step = 100 if rupiah < HUNDRED_RUPIAH_BELOW else 500
    return max(step, round(rupiah / step) * step)
