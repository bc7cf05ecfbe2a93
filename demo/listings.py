"""The listings of the demo market: products with their packs, prices, tiers, stock and permits, as rows for COPY."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

from demo.certificates import product_certificates
from demo.chance import Dice
from demo.material import Commodity, Material, Text, slugify
from demo.packs import CARTON_DISCOUNT, Pack, carton_size, round_price
from demo.producers import Producer

WIDE_RANGE: Final = 8
"""Where the dearest costs so many times the cheapest (crafts, jewellery), most goods are near the cheap end."""

CARTON_EVERY: Final = 4
CERTIFICATE_SLOT: Final = 1_000
"""Parts of a product below this slot are its skus, those from it on its certificates."""

# (price below, quantities from which it gets cheaper); the discount grows with each step.
TIER_STEPS: Final = ((100_000, (10, 50, 200)), (500_000, (5, 20)), (1_000_000_001, (3,)))
TIER_DISCOUNTS: Final = (0.96, 0.92, 0.88)

SOLD_OUT_PERCENT, LOW_PERCENT = 2, 8
DEAR_FROM: Final = 500_000
COOPERATIVE_STOCK: Final = 2_000


@dataclass(slots=True)
class Rows:
    """Rows of one batch of products, a list a table, in the column order that `demo.market` names."""

    products: list[tuple[UUID, str, UUID, UUID, str, str, str, str, str]] = field(default_factory=list)
    skus: list[tuple[UUID, UUID, str, str, int, int, Decimal, int, int, int]] = field(default_factory=list)
    tiers: list[tuple[UUID, int, int]] = field(default_factory=list)
    stock: list[tuple[UUID, UUID, int]] = field(default_factory=list)
    movements: list[tuple[UUID, UUID, str, int, int]] = field(default_factory=list)
    certificates: list[tuple[UUID, UUID, UUID | None, str, str, date, date | None]] = field(default_factory=list)


class Listings:
    """Composes the products of a market; product numbers run over the vendors in order, so any part stands alone."""

    def __init__(self, material: Material, producers: Sequence[Producer], seed: int, today: date) -> None:
        self._material = material
        self._producers = producers
        self._seed = seed
        self._today = today

    def batches(self, size: int) -> Iterator[Rows]:
        """All rows, about `size` products at a time."""
        rows = Rows()
        for producer in self._producers:
            for ordinal in range(producer.products):
                self._add(rows, producer, ordinal)
                if len(rows.products) == size:
                    yield rows
                    rows = Rows()
        if rows.products:
            yield rows

    def _add(self, rows: Rows, producer: Producer, ordinal: int) -> None:
        number = producer.first_product + ordinal
        dice = Dice(self._seed, "product", number)
        repetition, at = divmod(ordinal, len(producer.goods))
        commodity = producer.goods[at]
        product_id = dice.uuid()
        name = self._name(producer, commodity, repetition)
        text = self._description(producer, commodity, dice)
        rows.products.append(
            (product_id, slugify(name.id), producer.id, commodity.id, name.id, name.en, text.id, text.en, "published")
        )
        _add_skus(rows, dice, producer=producer, commodity=commodity, number=number)
        for slot, one in enumerate(
            product_certificates(producer, commodity, ordinal, self._today, dice), CERTIFICATE_SLOT
        ):
            rows.certificates.append(
                (dice.uuid(slot), producer.id, product_id, one.kind, one.number, one.valid_from, one.valid_until)
            )

    def _name(self, producer: Producer, commodity: Commodity, repetition: int) -> Text:
        """The form and variant of a vendor's listing of a commodity, different for each repetition, and its brand."""
        forms, variants = commodity.forms, commodity.variants
        turn, at = divmod(repetition, len(forms))
        form = forms[(producer.number + at) % len(forms)]
        again, turn = divmod(turn, len(variants))
        variant = variants[(producer.number + turn) % len(variants)]
        series = f" Seri {again + 1}" if again else ""
        return Text(
            " ".join(filter(None, (form.id, variant.id, producer.brand))) + series,
            " ".join(filter(None, (producer.brand, variant.en, form.en))) + series.replace("Seri", "Series"),
        )

    def _description(self, producer: Producer, commodity: Commodity, dice: Dice) -> Text:
        """One to three sentences: what it is, mostly who makes it, sometimes how to keep or use it."""
        makers = self._material.makers
        maker = makers[dice.pick(len(makers))]
        care = commodity.care[dice.pick(len(commodity.care))]
        vendor, region = producer.name, producer.place.name
        parts_id, parts_en = [commodity.description.id], [commodity.description.en]
        if dice.pick(8):
            parts_id.append(maker.id.format(vendor=vendor, region=region))
            parts_en.append(maker.en.format(vendor=vendor, region=region))
        if care.id:
            parts_id.append(care.id)
            parts_en.append(care.en)
        return Text(" ".join(parts_id), " ".join(parts_en))


def _add_skus(rows: Rows, dice: Dice, *, producer: Producer, commodity: Commodity, number: int) -> None:
    """Packs of one product at one quality, each with its tiers and its stock."""
    quality = dice.unit()
    if commodity.price_high > WIDE_RANGE * commodity.price_low:
        quality *= quality
    basis = commodity.price_low + (commodity.price_high - commodity.price_low) * quality
    code = f"{commodity.prefix}-{number:05d}"
    product_id = dice.uuid()
    for position, (pack, lot) in enumerate(_choose_packs(producer, commodity, dice)):
        sku_id = dice.uuid(position + 1)
        price = round_price(basis * pack.factor * (CARTON_DISCOUNT if lot > 1 else 1))
        name = pack.name if lot == 1 else f"{pack.name}, grosir kelipatan {lot}"
        sku_code = f"{code}-{pack.code}" if lot == 1 else f"{code}-{pack.code}-K{lot}"
        least = max(lot, pack.min_quantity)
        rows.skus.append(
            (sku_id, product_id, sku_code, name, price, pack.weight_grams, pack.content, lot, least, position)
        )
        _add_tiers(rows.tiers, sku_id, price, least, dice)
        on_hand = _on_hand(producer, price, least, dice)
        rows.stock.append((sku_id, producer.id, on_hand))
        rows.movements.append((sku_id, producer.id, "opening", on_hand, 0))


def _choose_packs(producer: Producer, commodity: Commodity, dice: Dice) -> list[tuple[Pack, int]]:
    """Packs with their order multiple: all for the cooperative, at least two neighbouring sizes for the others."""
    packs = list(commodity.packs)
    if not producer.is_cooperative and len(packs) > 1:
        count = 2 + dice.pick(len(packs) - 1)
        start = dice.pick(len(packs) - count + 1)
        packs = packs[start : start + count]
    chosen = [(pack, 1) for pack in packs]
    carton = carton_size(packs[0]) if commodity.base_unit != "pcs" else None
    if carton is not None and (producer.is_cooperative or dice.pick(CARTON_EVERY) == 0):
        chosen.append((packs[0], carton))
    return chosen


def _add_tiers(tiers: list[tuple[UUID, int, int]], sku_id: UUID, price: int, least: int, dice: Dice) -> None:
    """Up to three steps, each strictly cheaper than the one before; a third of the skus has one price for all."""
    steps = next(quantities for below, quantities in TIER_STEPS if price < below)
    last = price
    for quantity, discount in zip(steps[: dice.pick(len(steps) + 1)], TIER_DISCOUNTS, strict=False):
        cheaper = round_price(price * discount)
        if cheaper < last:
            tiers.append((sku_id, quantity * least, cheaper))
            last = cheaper


def _on_hand(producer: Producer, price: int, least: int, dice: Dice) -> int:
    """Packs in the house: mostly plenty, some few, a few none; never little at the cooperative."""
    if producer.is_cooperative:
        return (COOPERATIVE_STOCK if price < DEAR_FROM else 60) * least + dice.pick(400)
    percent = dice.pick(100)
    if percent < SOLD_OUT_PERCENT:
        return 0
    if percent < SOLD_OUT_PERCENT + LOW_PERCENT:
        return 1 + dice.pick(9)
    return (4 + dice.pick(20)) if price >= DEAR_FROM else (40 + dice.pick(360)) * least
