"""Certificates of demo vendors and products, in the number formats that are used in Indonesia.

Formats (spaces left out): P-IRT 13 digits and the year of expiry (d1 pack, d2-3 food type, d4-7 regency, d8-9
product, d10-13 producer), BPOM MD 12 or 15 digits, TR and QD 9 digits, NA 11 digits, halal ID and 17 digits.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from demo.chance import Dice
from demo.material import Commodity
from demo.producers import Producer

SECURE_VENDORS: Final = 20
"""The first vendors are in every example: none of their certificates ends within two years."""

SECURE_DAYS: Final = 730
LEAST_DAYS_LEFT: Final = 60
LEAST_DAYS_HELD: Final = 30
YEAR_DAYS: Final = 365

SALT_STANDARD: Final = "SNI 3556:2024"
PIRT_PACKS: Final[Mapping[str, int]] = {"botol": 1, "butir": 3}
PIRT_PLASTIC: Final = 2
TRADEMARK_EVERY: Final = 3
LARGE_MAKER_CHANCES: Final = 4

# A rule may be met by any of several kinds. These are met by the product's own permit; the others (NIB, HALAL, and
# the hygiene certificate of premises) are held by the vendor for everything it makes.
PRODUCT_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "PIRT|BPOM_MD": ("PIRT", "BPOM_MD"),
    "PIRT": ("PIRT",),
    "BPOM_MD": ("BPOM_MD",),
    "BPOM_TR|BPOM_QD": ("BPOM_TR", "BPOM_QD"),
    "BPOM_NA": ("BPOM_NA",),
    "SNI": ("SNI",),
}
YEARS: Final[Mapping[str, int]] = {
    "PIRT": 5, "BPOM_MD": 5, "BPOM_TR": 5, "BPOM_QD": 5, "BPOM_NA": 3, "SNI": 4, "SLHS": 3, "MEREK": 10
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as a label shows it; `valid_until` is its last day, None while nothing changes."""

    kind: str
    number: str
    valid_from: date
    valid_until: date | None


def vendor_certificates(producer: Producer, today: date, dice: Dice) -> Iterator[Certificate]:
    """What a vendor holds for all its goods: NIB always; halal, hygiene and a trademark where they fit."""
    yield Certificate("NIB", producer.nib, producer.registered, None)
    rules = {rule for goods in producer.goods[: producer.products] for rule in goods.rules}
    if "HALAL" in rules:
        issued = today - timedelta(days=LEAST_DAYS_HELD + dice.pick(2 * YEAR_DAYS))
        yield Certificate("HALAL", f"ID5211{dice.pick(10**9):09d}{issued:%m%y}", issued, None)
    if any("SLHS" in rule for rule in rules):
        start, end = _dates("SLHS", producer, today, dice)
        office = producer.place.code.replace(".", "")
        yield Certificate("SLHS", f"{producer.number % 10_000:04d}/SLHS/{office}/{start.year}", start, end)
    if dice.pick(TRADEMARK_EVERY) == 0:
        start, end = _dates("MEREK", producer, today, dice)
        yield Certificate("MEREK", f"IDM{dice.pick(10**9):09d}", start, end)


def product_certificates(
    producer: Producer, commodity: Commodity, ordinal: int, today: date, dice: Dice
) -> Iterator[Certificate]:
    """The permits of the vendor's product number `ordinal`, one for each rule that a permit of the product meets."""
    for rule in commodity.rules:
        kinds = PRODUCT_KINDS.get(rule)
        if kinds is None:
            continue
        kind = _choose(kinds, producer, dice)
        start, end = _dates(kind, producer, today, dice)
        number = _number(kind, producer=producer, commodity=commodity, ordinal=ordinal, start=start, end=end, dice=dice)
        yield Certificate(kind, number, start, end)


def _choose(kinds: tuple[str, ...], producer: Producer, dice: Dice) -> str:
    """Small makers hold the first kind of permit, some larger ones the second."""
    if kinds[0] != "PIRT":
        return kinds[dice.pick(len(kinds))]
    larger = producer.size_class == "medium" and not producer.is_cooperative and not producer.pirt_expired
    return kinds[-1] if larger and dice.pick(LARGE_MAKER_CHANCES) == 0 else kinds[0]


def _dates(kind: str, producer: Producer, today: date, dice: Dice) -> tuple[date, date]:
    """First and last day, begun in the past and, but for the expired P-IRT of a few vendors, with time left."""
    term = YEARS[kind] * YEAR_DAYS
    if kind == "PIRT" and producer.pirt_expired:
        end = today - timedelta(days=10 + dice.pick(300))
    else:
        left = SECURE_DAYS if producer.number < SECURE_VENDORS else LEAST_DAYS_LEFT
        end = today + timedelta(days=left + dice.pick(term - LEAST_DAYS_HELD - left))
    return end - timedelta(days=term), end


def _number(
    kind: str, *, producer: Producer, commodity: Commodity, ordinal: int, start: date, end: date, dice: Dice
) -> str:
    match kind:
        case "PIRT":
            pack = PIRT_PACKS.get(commodity.document["unit"], PIRT_PLASTIC)
            product, region = ordinal % 99 + 1, producer.place.code.replace(".", "")
            return f"{pack}{commodity.pirt_type}{region}{product:02d}{producer.number % 9_999 + 1:04d}-{end:%y}"
        case "BPOM_MD":
            return f"MD 2{dice.pick(10**14):014d}"
        case "BPOM_NA":
            return f"NA18{start:%y%m}{dice.pick(10**5):05d}"
        case "SNI":
            return SALT_STANDARD
        case _:
            return f"POM {kind.removeprefix('BPOM_')} {start:%y}{dice.pick(10**7):07d}"
