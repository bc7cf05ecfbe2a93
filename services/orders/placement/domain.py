"""What an order costs: tiers, shipping and tax in whole rupiah, and which lines cannot be ordered. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from ishop.errors import InvalidRequest
from ishop.schemas import MAX_AMOUNT, MAX_QUANTITY
from services.orders.lifecycle.domain import Amounts
from services.orders.placement.errors import CertificateExpired, InsufficientStock, TotalChanged, field_error

GRAMS_PER_KG: Final = 1000

DELIVERY_HORIZON: Final = timedelta(days=366)
"""How far ahead a day of delivery may be asked for."""


class Want(NamedTuple):
    """How many packs of a sku are wanted in all; `first_line` is the first of the request that asks for it."""

    sku_id: UUID
    quantity: int
    first_line: int


class Offer(NamedTuple):
    """One sku as it can be bought now and brought to the buyer's region; the order of the fields is the quote's.

    `today` is the business date in the vendor's region. Freight is rupiah per begun kilogram, None where nobody
    delivers. The tax is the one in force, None where none is. `available` is what was there at the moment of the quote,
    the ids are the server's names for an order, and for a vendor order, that begins with this sku.
    """

    sku_id: UUID
    product_id: UUID
    vendor_id: UUID
    vendor_name: str
    pkp: bool
    name: str
    unit: str
    price: int
    weight_grams: int
    order_multiple: int
    min_quantity: int
    certified_until: date | None
    tier_quantities: list[int]
    tier_prices: list[int]
    today: date
    price_per_kg: int | None
    days_min: int | None
    days_max: int | None
    base_numerator: int | None
    base_denominator: int | None
    rate_percent: int | None
    available: int
    order_id: UUID
    vendor_order_id: UUID


class Freight(NamedTuple):
    """Rupiah per begun kilogram, and how many days a delivery takes."""

    price_per_kg: int
    days_min: int
    days_max: int


@dataclass(slots=True)
class PricedLine:
    """A line with its price; amounts in rupiah."""

    want: Want
    offer: Offer
    unit_price: int
    total: int
    tax: int

    @property
    def is_short(self) -> bool:
        """Whether there was less than is wanted."""
        return self.offer.available < self.want.quantity


@dataclass(slots=True)
class Share:
    """The lines of one vendor, with what it costs to bring them. Amounts in rupiah, days until delivery."""

    vendor_id: UUID
    vendor_name: str
    lines: list[PricedLine]
    freight: Freight
    today: date

    @property
    def id(self) -> UUID:
        """The name of the vendor order that this share becomes."""
        return self.lines[0].offer.vendor_order_id

    @property
    def weight_grams(self) -> int:
        """What all of it weighs."""
        return sum(line.want.quantity * line.offer.weight_grams for line in self.lines)

    def amounts(self) -> Amounts:
        """The sums of this vendor order."""
        return Amounts(
            sum(line.total for line in self.lines),
            shipping_price(self.weight_grams, self.freight.price_per_kg),
            sum(line.tax for line in self.lines),
        )

    @property
    def earliest(self) -> date:
        """The first day on which the goods can be there."""
        return self.today + timedelta(days=self.freight.days_min)

    def promised(self, deliver_on: date | None) -> date:
        """The day on which the goods are there: the one that was asked for, or the last of the usual days."""
        return deliver_on or self.today + timedelta(days=self.freight.days_max)


@dataclass(slots=True)
class Basket:
    """A priced order: its lines in the buyer's order, split by vendor."""

    lines: list[PricedLine]
    shares: list[tuple[Share, Amounts]]
    amounts: Amounts

    @property
    def id(self) -> UUID:
        """The name of the order that this basket becomes."""
        return self.lines[0].offer.order_id


def merge(lines: Iterable[tuple[UUID, int]]) -> list[Want]:
    """The lines with duplicates of one sku made one, as a shopkeeper would: the tier and the stock see their sum.

    Raises InvalidRequest where a sum is over the limit of one line.
    """
    wants: dict[UUID, Want] = {}
    too_many = []
    for index, (sku_id, quantity) in enumerate(lines):
        before = wants.get(sku_id)
        if before is None:
            wants[sku_id] = Want(sku_id, quantity, index)
            continue
        wants[sku_id] = before._replace(quantity=before.quantity + quantity)
        if wants[sku_id].quantity > MAX_QUANTITY:
            detail = f"All lines of one sku together may ask for at most {MAX_QUANTITY}."
            too_many.append(field_error(f"/lines/{index}/quantity", "quantity_too_large", detail))
    if too_many:
        raise InvalidRequest(errors=too_many)
    return list(wants.values())


def unit_price(offer: Offer, quantity: int) -> int:
    """The price of one pack: that of the highest tier that the quantity reaches."""
    price = offer.price
    for min_quantity, tier_price in zip(offer.tier_quantities, offer.tier_prices, strict=True):
        if quantity >= min_quantity:
            price = tier_price
    return price


def shipping_price(weight_grams: int, price_per_kg: int) -> int:
    """Every begun kilogram counts, one at least."""
    return max(1, -(-weight_grams // GRAMS_PER_KG)) * price_per_kg


def share_half_up(amount: int, numerator: int, denominator: int) -> int:
    """amount x numerator / denominator in whole rupiah, half rounded up; no float ever."""
    return (2 * amount * numerator + denominator) // (2 * denominator)


def tax_of(amount: int, base_numerator: int, base_denominator: int, rate_percent: int) -> int:
    """PPN of one line's total, in two stages as PER-11/PJ/2025 art. 129 rounds: first the base, then the tax on it."""
    return share_half_up(share_half_up(amount, base_numerator, base_denominator), rate_percent, 100)


def price(wants: Sequence[Want], offers: Mapping[UUID, Offer], deliver_on: date | None) -> Basket:
    """Price what is wanted.

    Raises InvalidRequest for unknown skus, wrong quantities, regions without delivery, days on which no delivery can be
    and sums beyond 2^53 - 1, and CertificateExpired where a certificate is missing or ends before the promised day.
    """
    _check_quantities(wants, offers)
    shares: dict[UUID, Share] = {}
    lines = []
    for want in wants:
        offer = offers[want.sku_id]
        one_price = unit_price(offer, want.quantity)
        total = one_price * want.quantity
        line = PricedLine(want, offer, one_price, total, _tax(offer, total))
        lines.append(line)
        share = shares.get(offer.vendor_id)
        if share is None:
            shares[offer.vendor_id] = Share(offer.vendor_id, offer.vendor_name, [line], _freight(offer), offer.today)
        else:
            share.lines.append(line)
    if deliver_on is not None:
        _check_delivery_day(shares.values(), deliver_on)
    _check_certificates(lines, shares, deliver_on)
    parts = [(share, share.amounts()) for share in shares.values()]
    sums = Amounts(
        sum(amounts.subtotal for _, amounts in parts),
        sum(amounts.shipping for _, amounts in parts),
        sum(amounts.tax for _, amounts in parts),
    )
    if sums.total > MAX_AMOUNT:
        raise InvalidRequest(
            errors=[field_error("/lines", "amount_too_large", f"The total is over {MAX_AMOUNT} rupiah.")]
        )
    return Basket(lines, parts, sums)


def check_stock(basket: Basket) -> None:
    """Refuse with InsufficientStock what was not there when it was quoted: nobody waits for a lock to be told so.

    What was there may be gone by the time that it is taken; who takes it decides.
    """
    refuse_short(basket, [(line.want.sku_id, line.offer.available) for line in basket.lines if line.is_short])


def refuse_short(basket: Basket, left: Iterable[tuple[UUID, int]]) -> None:
    """Refuse the order with InsufficientStock when any sku is short; `left` says what there is of those that are."""
    wants = {line.want.sku_id: line.want for line in basket.lines}
    short = sorted((wants[sku_id].first_line, sku_id, available) for sku_id, available in left)
    if short:
        raise InsufficientStock(
            errors=[
                {
                    "pointer": f"/lines/{place}",
                    "code": InsufficientStock.code,
                    "sku_id": sku_id,
                    "requested": wants[sku_id].quantity,
                    "available": available,
                }
                for place, sku_id, available in short
            ]
        )


def check_expected_total(basket: Basket, expected: int | None) -> None:
    """Refuse with TotalChanged when the buyer expects another total; the new one stands in `errors`."""
    total = basket.amounts.total
    if expected is not None and expected != total:
        error = field_error("/expected_total", TotalChanged.code, f"The total is {total} rupiah now.")
        raise TotalChanged(errors=[{**error, "total": {"amount": total, "currency": "IDR"}}])


def _tax(offer: Offer, total: int) -> int:
    """Only a vendor that is PKP charges PPN; a market without a rate in force is set up wrongly and may not sell it."""
    if not offer.pkp:
        return 0
    if offer.base_numerator is None or offer.base_denominator is None or offer.rate_percent is None:
        raise LookupError(f"No PPN rate is in force on {offer.today}")
    return tax_of(total, offer.base_numerator, offer.base_denominator, offer.rate_percent)


def _freight(offer: Offer) -> Freight:
    if offer.price_per_kg is None or offer.days_min is None or offer.days_max is None:
        detail = f"{offer.vendor_name} does not deliver there."
        raise InvalidRequest(errors=[field_error("/ship_to/region_code", "no_delivery", detail)])
    return Freight(offer.price_per_kg, offer.days_min, offer.days_max)


def _check_quantities(wants: Sequence[Want], offers: Mapping[UUID, Offer]) -> None:
    errors: list[dict[str, Any]] = []
    for want in wants:
        offer = offers.get(want.sku_id)
        if offer is None:
            detail = "There is no such sku, or it is not for sale now."
            errors.append(field_error(f"/lines/{want.first_line}/sku_id", "unknown_sku", detail))
        elif want.quantity < offer.min_quantity:
            detail = f"At least {offer.min_quantity} must be ordered."
            errors.append(field_error(f"/lines/{want.first_line}/quantity", "below_min_quantity", detail))
        elif want.quantity % offer.order_multiple:
            detail = f"It is sold in multiples of {offer.order_multiple}."
            errors.append(field_error(f"/lines/{want.first_line}/quantity", "not_a_multiple", detail))
    if errors:
        raise InvalidRequest(errors=errors)


def _check_delivery_day(shares: Iterable[Share], deliver_on: date) -> None:
    """Refuse a day that a vendor cannot keep: a certificate would be looked at on a day when nothing arrives."""
    for share in shares:
        latest = share.today + DELIVERY_HORIZON
        if deliver_on < share.earliest:
            code, detail = "too_early", f"{share.vendor_name} delivers on {share.earliest} at the earliest."
        elif deliver_on > latest:
            code, detail = "too_late", f"The day of delivery is {latest} at the latest."
        else:
            continue
        raise InvalidRequest(errors=[field_error("/deliver_on", code, detail)])


def _check_certificates(lines: Iterable[PricedLine], shares: Mapping[UUID, Share], deliver_on: date | None) -> None:
    errors = []
    for line in lines:
        promised = shares[line.offer.vendor_id].promised(deliver_on)
        until = line.offer.certified_until
        if until is None or until < promised:
            detail = f"No valid certificate on {promised}."
            error = field_error(f"/lines/{line.want.first_line}", CertificateExpired.code, detail)
            errors.append({**error, "sku_id": line.want.sku_id, "certified_until": until, "deliver_on": promised})
    if errors:
        raise CertificateExpired(errors=errors)
