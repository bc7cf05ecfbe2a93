"""The data files of the demo market, read into plain objects."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final, Self
from uuid import UUID

from demo.chance import Dice
from demo.packs import Pack, measure

WORDS_SOURCE: Final = "Compiled for i-Shop from common usage; not checked with speakers of the regional languages"

_NOT_IN_SLUG = re.compile(r"[^a-z0-9]+")


def slugify(text: str) -> str:
    """Lower-case words joined by hyphens; what is neither a Latin letter nor a digit parts words."""
    return _NOT_IN_SLUG.sub("-", text.lower()).strip("-")


@dataclass(frozen=True, slots=True)
class Text:
    """The same in Indonesian and English."""

    id: str
    en: str


@dataclass(frozen=True, slots=True)
class Place:
    """A regency or city: its centre, and how far from it demo vendors may stand."""

    code: str
    name: str
    latitude: float
    longitude: float
    spread_km: float


@dataclass(frozen=True, slots=True, eq=False)
class Commodity:
    """A kind of goods with everything that listings of it are composed from. Prices are rupiah per basis pack."""

    id: UUID
    slug: str
    base_unit: str
    packs: tuple[Pack, ...]
    price_low: int
    price_high: int
    rules: tuple[str, ...]
    origins: frozenset[str]
    pirt_type: str
    prefix: str
    forms: tuple[Text, ...]
    variants: tuple[Text, ...]
    description: Text
    care: tuple[Text, ...]
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cohort:
    """A group of producers of the source table, with the workers stated for it; `joint` figures cannot be split."""

    slug: str
    name: Text
    vendors: int
    workers: int
    joint: bool
    source: str


@dataclass(frozen=True, slots=True)
class Group:
    """Producers of the same main goods."""

    slug: str
    goods: Text
    cohort: str
    vendors: int
    main: tuple[Commodity, ...]
    also: tuple[Commodity, ...]
    places: tuple[Place, ...]
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Material:
    """All data files."""

    categories: tuple[Mapping[str, str], ...]
    commodities: Mapping[str, Commodity]
    synonyms: tuple[Mapping[str, Any], ...]
    places: Mapping[str, Place]
    cohorts: tuple[Cohort, ...]
    groups: tuple[Group, ...]
    names: Mapping[str, Any]
    makers: tuple[Text, ...]
    vendor_texts: tuple[Text, ...]
    cooperative_text: Text

    @classmethod
    def load(cls) -> Self:
        """Read every data file; KeyError or ValueError names what is wrong in one."""
        names, texts, groups = _read("names"), _read("texts"), _read("groups")
        commodities = _commodities(names["variants"], texts["care"])
        places = {row["code"]: Place(**row) for row in _read("places")}
        return cls(
            categories=tuple(_read("categories")),
            commodities=commodities,
            synonyms=tuple(_read("synonyms")),
            places=places,
            cohorts=tuple(_cohort(row) for row in groups["cohorts"]),
            groups=tuple(_group(row, commodities, places) for row in groups["groups"]),
            names=names,
            makers=_texts(texts["makers"]),
            vendor_texts=_texts(texts["vendors"]),
            cooperative_text=Text(**texts["cooperative"]),
        )


def _read(name: str) -> Any:
    return json.loads((files("demo") / "data" / f"{name}.json").read_text("utf-8"))


def _texts(rows: Sequence[Mapping[str, str]]) -> tuple[Text, ...]:
    return tuple(Text(**row) for row in rows)


def _pairs(rows: Sequence[Sequence[str]]) -> tuple[Text, ...]:
    return tuple(Text(*row) for row in rows)


def _commodities(
    variants: Mapping[str, Sequence[Sequence[str]]], care: Mapping[str, Sequence[Sequence[str]]]
) -> dict[str, Commodity]:
    tables, forms = _read("packs"), _read("forms")
    commodities = {}
    for number, row in enumerate(_read("commodities")):
        slug = row["slug"]
        unit, packs = measure(row, tables)
        low, high = row["price_idr_range"]
        commodities[slug] = Commodity(
            # The commodities are the same in every demo market, whatever its seed.
            id=Dice(0, "commodity", number).uuid(),
            slug=slug,
            base_unit=unit,
            packs=packs,
            price_low=low,
            price_high=high,
            rules=tuple(row["certificates_required"]),
            origins=frozenset(row["typical_origin_codes"]),
            pirt_type=tables["pirt_food_type"].get(slug, ""),
            prefix="".join(word[0] for word in slug.split("-")).upper(),
            forms=_pairs(forms[slug]),
            variants=(Text("", ""), *_pairs(variants[row["category"]])),
            description=Text(row["description_id"], row["description_en"]),
            care=_pairs(care[row["category"]]),
            document=row,
        )
    return commodities


def _cohort(row: Mapping[str, Any]) -> Cohort:
    return Cohort(
        slug=row["slug"],
        name=Text(row["name_id"], row["name_en"]),
        vendors=row["vendors"],
        workers=row["workers"],
        joint=row["joint"],
        source=row["source"],
    )


def _group(row: Mapping[str, Any], commodities: Mapping[str, Commodity], places: Mapping[str, Place]) -> Group:
    return Group(
        slug=row["slug"],
        goods=Text(row["goods_id"], row["goods_en"]),
        cohort=row["cohort"],
        vendors=row["vendors"],
        main=tuple(commodities[slug] for slug in row["main"]),
        also=tuple(commodities[slug] for slug in row["also"]),
        places=tuple(places[code] for code in row["regions"]),
        kinds=tuple(row["kinds"]),
    )
