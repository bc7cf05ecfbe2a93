"""The producers: how many of each group, where, how big, under which name, and what each of them sells."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import zip_longest
from typing import Final
from uuid import UUID

from demo.chance import Dice
from demo.material import Cohort, Commodity, Group, Material, Place, Text, slugify
from ishop.home import StartupError

MIN_VENDORS: Final = 10
COOPERATIVE_PRODUCTS: Final = 110
"""At least so many products has the cooperative: every commodity in all its packs, which gives over 250 skus."""

SECOND_VENDOR_SELLS: Final = "gula-aren-cetak"
"""Always, beside its main goods, so that one order can be filled by it and by the cooperative."""

EXPIRED_EVERY, EXPIRED_AT, EXPIRED_AFTER = 61, 37, 20
PKP_EVERY, PKP_AT = 40, 29

FIRST_OSS_DAY: Final = date(2021, 8, 9)
OSS_DAYS: Final = 1_700
KM_PER_DEGREE: Final = 111.2
MICRO_BELOW, SMALL_BELOW = 5, 20


class MarketSizeRefused(StartupError):
    """No demo market of this size: too small for what every one holds, or more vendors than there are names."""


@dataclass(frozen=True, slots=True)
class Producer:
    """One vendor of the demo market. `goods` is what it sells, most typical first; product n is of goods[n % len]."""

    number: int
    id: UUID
    slug: str
    name: str
    brand: str
    description: Text
    group: Group
    place: Place
    latitude: float
    longitude: float
    nib: str
    registered: date
    size_class: str
    workers: int | None
    pkp: bool
    goods: tuple[Commodity, ...]
    first_product: int
    products: int
    pirt_expired: bool

    @property
    def is_cooperative(self) -> bool:
        """Whether this is the large secondary cooperative."""
        return self.number == 0


def apportion(total: int, weights: Sequence[int], least: int = 0) -> list[int]:
    """Whole shares of `total` in proportion to `weights`, each at least `least`, by largest remainder."""
    spare = total - least * len(weights)
    if spare < 0:
        raise MarketSizeRefused(f"{total} cannot be shared by {len(weights)} with at least {least} each")
    parts = [divmod(spare * weight, sum(weights)) for weight in weights]
    shares = [least + whole for whole, _ in parts]
    by_remainder = sorted(range(len(weights)), key=lambda at: (-parts[at][1], at))
    for at in by_remainder[: total - sum(shares)]:
        shares[at] += 1
    return shares


def group_sizes(material: Material, vendors: int) -> list[int]:
    """Producers per group: exactly those of the source for 453, else in the same proportions."""
    if vendors < MIN_VENDORS:
        raise MarketSizeRefused(f"A demo market has at least {MIN_VENDORS} vendors, not {vendors}.")
    weights = [group.vendors for group in material.groups]
    if vendors == sum(weights):
        return weights
    # The first group has the cooperative and its neighbour, so two of it are needed even in the smallest market.
    first, *others = apportion(vendors - 1, weights, least=1)
    return [first + 1, *others]


def cohort_totals(material: Material, sizes: Sequence[int]) -> list[tuple[Cohort, int, int]]:
    """Per cohort of the source its producers and workers in this market; workers grow in proportion."""
    totals = []
    for cohort in material.cohorts:
        members = sum(size for group, size in zip(material.groups, sizes, strict=True) if group.cohort == cohort.slug)
        totals.append((cohort, members, round(cohort.workers * members / cohort.vendors)))
    return totals


def product_counts(vendors: int, products: int, seed: int) -> list[int]:
    """How many products each vendor has: the cooperative most, every other at least one."""
    cooperative = max(COOPERATIVE_PRODUCTS, 3 * products // vendors)
    if products < cooperative + vendors - 1:
        raise MarketSizeRefused(
            f"A demo market of {vendors} vendors needs at least {COOPERATIVE_PRODUCTS + vendors - 1} products."
        )
    weights = [2 + Dice(seed, "assortment", number).pick(5) for number in range(1, vendors)]
    return [cooperative, *apportion(products - cooperative, weights, least=1)]


def producers(material: Material, vendors: int, products: int, seed: int) -> Iterator[Producer]:
    """Every producer of the market, the cooperative first, then group by group."""
    names = material.names
    if vendors > (most := len(names["first"]) * len(names["second"]) * (1 + len(names["tail"]))):
        raise MarketSizeRefused(f"There are names for {most} vendors only.")
    sizes = group_sizes(material, vendors)
    counts = product_counts(vendors, products, seed)
    workers = {
        cohort.slug: _workers(cohort, members, total, seed) for cohort, members, total in cohort_totals(material, sizes)
    }
    offered: Counter[Commodity] = Counter()
    number = first_product = 0
    for group, size in zip(material.groups, sizes, strict=True):
        for rank in range(size):
            place = group.places[rank % len(group.places)]
            goods = _goods(material, group, place, number, offered)
            offered.update(goods[: counts[number]])
            yield _producer(
                material, seed, number,
                group=group, place=place, goods=goods, workers=workers[group.cohort].pop(),
                first_product=first_product, products=counts[number],
            )  # fmt: skip
            first_product += counts[number]
            number += 1


def _workers(cohort: Cohort, members: int, total: int, seed: int) -> list[int | None]:
    """Workers of each member; unknown where the source gives one figure for several goods."""
    if cohort.joint:
        return [None] * members
    weights = [6 + Dice(seed, f"workers:{cohort.slug}", rank).pick(9) for rank in range(members)]
    return list(apportion(total, weights, least=1))


def _producer(
    material: Material,
    seed: int,
    number: int,
    *,
    group: Group,
    place: Place,
    goods: tuple[Commodity, ...],
    workers: int | None,
    first_product: int,
    products: int,
) -> Producer:
    dice = Dice(seed, "vendor", number)
    brand = _brand(material, seed, number)
    kind = material.names["cooperative"] if number == 0 else group.kinds[dice.pick(len(group.kinds))]
    name = f"{kind} {brand}"
    registered = FIRST_OSS_DAY + timedelta(days=dice.pick(OSS_DAYS))
    latitude, longitude = _position(dice, place)
    text = material.vendor_texts[dice.pick(len(material.vendor_texts))] if number else material.cooperative_text
    year = registered.year - dice.pick(15)
    return Producer(
        number=number,
        id=dice.uuid(),
        slug=slugify(name),
        name=name,
        brand=brand,
        description=Text(
            text.id.format(name=name, region=place.name, year=year, goods=group.goods.id),
            text.en.format(name=name, region=place.name, year=year, goods=group.goods.en),
        ),
        group=group,
        place=place,
        latitude=latitude,
        longitude=longitude,
        # Since August 2021 these numbers begin with the day of issue. The factor is prime: no serial comes twice.
        nib=f"{registered:%d%m%y}{number * 1_299_709 % 10_000_000:07d}",
        registered=registered,
        size_class=_size_class(dice, number, workers),
        workers=workers,
        pkp=number % PKP_EVERY == PKP_AT,
        goods=goods,
        first_product=first_product,
        products=products,
        pirt_expired=number > EXPIRED_AFTER and number % EXPIRED_EVERY == EXPIRED_AT,
    )


def _brand(material: Material, seed: int, number: int) -> str:
    """Two words, a different pair for every vendor; a third word once all pairs are used."""
    first, second, tail = material.names["first"], material.names["second"], material.names["tail"]
    pairs = len(first) * len(second)
    # The stride is prime and no factor of the number of pairs, so it visits each of them once.
    round_number, pair = divmod(number, pairs)
    at = (pair * 2_287 + seed * 53) % pairs
    words = [first[at // len(second)], second[at % len(second)]]
    return " ".join([*words, tail[round_number - 1]] if round_number else words)


def _goods(
    material: Material, group: Group, place: Place, number: int, offered: Counter[Commodity]
) -> tuple[Commodity, ...]:
    """A main commodity of the group, then by turns its other goods and what neighbours in the place make.

    What the market has least of comes first, so that the vendors of a place together offer everything made there.
    """
    everything = tuple(material.commodities.values())
    if number == 0:
        return tuple(dict.fromkeys((*group.main, *group.also, *everything)))
    at_home = [goods for goods in group.main if place.code in goods.origins] or group.main
    main = min(at_home, key=offered.__getitem__)
    related = [goods for goods in (*group.also, *group.main) if place.code in goods.origins]
    neighbours = sorted((goods for goods in everything if place.code in goods.origins), key=offered.__getitem__)
    turns = zip_longest(neighbours, related)
    second = [material.commodities[SECOND_VENDOR_SELLS]] if number == 1 else []
    return tuple(dict.fromkeys([main, *second, *(goods for turn in turns for goods in turn if goods is not None)]))


def _position(dice: Dice, place: Place) -> tuple[float, float]:
    """A point at most `spread_km` from the centre, evenly over the disc."""
    distance = place.spread_km / KM_PER_DEGREE * math.sqrt(dice.unit())
    angle = 2 * math.pi * dice.unit()
    latitude = place.latitude + distance * math.sin(angle)
    longitude = place.longitude + distance * math.cos(angle) / math.cos(math.radians(place.latitude))
    return round(latitude, 5), round(longitude, 5)


def _size_class(dice: Dice, number: int, workers: int | None) -> str:
    if number == 0:
        return "medium"
    if workers is None:
        return "small" if dice.pick(3) == 0 else "micro"
    return "micro" if workers < MICRO_BELOW else "small" if workers < SMALL_BELOW else "medium"
