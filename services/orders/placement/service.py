"""Placing an order: quote it and price it, then claim its key, write it and take the stock last in one statement."""

import secrets
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from ishop.auth import Principal
from ishop.database import Database
from ishop.errors import Forbidden, InvalidRequest, Language, NotFound
from services.orders.lifecycle.domain import (
    ACCEPT_WINDOW,
    PAYMENT_WINDOW,
    OrderStatus,
    PaymentMethod,
    VendorOrderStatus,
)
from services.orders.lifecycle.records import LineRecord, OrderBook, OrderRecord, VendorOrderRecord
from services.orders.lifecycle.service import BUYING_ROLES
from services.orders.placement import repository
from services.orders.placement.domain import Basket, check_expected_total, check_stock, merge, price
from services.orders.placement.errors import field_error
from services.orders.placement.repository import Quote
from services.orders.placement.schemas import (
    BulkOrderCreate,
    BulkOrderPreviewRequest,
    OrderCreate,
    OrderPreviewRequest,
)

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
NUMBER_DIGITS = 12
BITS_OF_A_DIGIT = 5


class Draft(NamedTuple):
    """An order that is priced and can be placed: as it will be read, and the basket that it was made of."""

    book: OrderBook
    basket: Basket


def order_number() -> str:
    """A random, readable number such as ORD-7K3M-9QWX-T2BD: 60 bits, so that a thousand million orders of one market
    meet a clash with a chance of one in two at most; a clash is refused by the unique constraint and sent again."""
    chosen = secrets.randbits(BITS_OF_A_DIGIT * NUMBER_DIGITS)
    digits = "".join(CROCKFORD[chosen >> BITS_OF_A_DIGIT * place & 31] for place in range(NUMBER_DIGITS))
    return f"ORD-{digits[:4]}-{digits[4:8]}-{digits[8:]}"


async def prepare(
    database: Database, caller: Principal, order: OrderCreate, language: Language, moment: datetime
) -> Draft:
    """Price an order of the caller, or of his organization, as it can be placed now; writes nothing.

    Raises Forbidden or NotFound for an organization that he does not buy for, InvalidRequest, CertificateExpired,
    TotalChanged, InsufficientStock.
    """
    _check_buyer(caller, order.organization_id)
    deliver_on = order.deliver_on if isinstance(order, BulkOrderCreate) else None
    quote, basket = await _price(database, order, deliver_on, language, moment)
    _check_payment_method(caller, order, quote)
    check_expected_total(basket, order.expected_total.amount if order.expected_total else None)
    check_stock(basket)
    return Draft(_book(order, basket, moment), basket)


async def place(database: Database, caller: Principal, draft: Draft, claim: tuple[Any, ...]) -> Mapping[str, Any]:
    """Place the draft unless its key was used before, as the row says (see `Claim.settle`). Raises InsufficientStock;
    nothing is written then."""
    return await repository.place(database, claim, caller.id, draft.book, draft.basket)


async def preview(
    database: Database, caller: Principal, order: OrderPreviewRequest, language: Language, moment: datetime
) -> tuple[Basket, date | None]:
    """The priced basket and the wanted day; writes nothing."""
    _check_buyer(caller, order.organization_id)
    deliver_on = order.deliver_on if isinstance(order, BulkOrderPreviewRequest) else None
    _, basket = await _price(database, order, deliver_on, language, moment)
    return basket, deliver_on


async def _price(
    database: Database,
    order: OrderCreate | OrderPreviewRequest,
    deliver_on: date | None,
    language: Language,
    moment: datetime,
) -> tuple[Quote, Basket]:
    wants = merge((line.sku_id, line.quantity) for line in order.lines)
    quote = await repository.quote(
        database,
        wants,
        region=order.ship_to.region_code,
        organization_id=order.organization_id,
        language=language,
        moment=moment,
    )
    return quote, price(wants, quote.offers, deliver_on)


def _check_buyer(caller: Principal, organization_id: UUID | None) -> None:
    """An organization's requesters and approvers buy for it; to everybody else who is not a member it is not there."""
    if organization_id is None:
        return
    role = caller.organizations.get(organization_id)
    if role is None:
        raise NotFound
    if role not in BUYING_ROLES:
        raise Forbidden


def _check_payment_method(caller: Principal, order: OrderCreate, quote: Quote) -> None:
    """Terms are for organizations that have them, and for members whose address is confirmed."""
    if order.payment_method is not PaymentMethod.terms:
        return
    if order.organization_id is None or quote.terms_days is None:
        detail = "Only an organization that has terms of payment may order on terms."
    elif not caller.confirmed:
        detail = "Confirm your e-mail address before you order on terms."
    else:
        return
    raise InvalidRequest(errors=[field_error("/payment_method", "terms_not_allowed", detail)])


def _book(order: OrderCreate, basket: Basket, moment: datetime) -> OrderBook:
    """The order as it will be read once it is placed."""
    amounts = basket.amounts
    waits = order.payment_method is PaymentMethod.manual_transfer
    bulk = order if isinstance(order, BulkOrderCreate) else None
    record = OrderRecord(
        id=basket.id,
        number=order_number(),
        status=OrderStatus.awaiting_payment if waits else OrderStatus.confirmed,
        payment_method=order.payment_method,
        organization_id=order.organization_id,
        po_number=bulk.po_number if bulk else None,
        deliver_on=bulk.deliver_on if bulk else None,
        subtotal=amounts.subtotal,
        shipping=amounts.shipping,
        tax=amounts.tax,
        total=amounts.total,
        original_total=amounts.total,
        paid=0,
        refund_due=0,
        ship_to=order.ship_to.model_dump(),
        expires_at=moment + PAYMENT_WINDOW if waits else None,
        version=1,
        created_at=moment,
    )
    parts = [
        VendorOrderRecord(
            id=share.id,
            vendor_id=share.vendor_id,
            vendor_name=share.vendor_name,
            status=VendorOrderStatus.placed,
            subtotal=sums.subtotal,
            shipping=sums.shipping,
            tax=sums.tax,
            total=sums.total,
            weight_grams=share.weight_grams,
            accept_by=None if waits else moment + ACCEPT_WINDOW,
            tracking_number=None,
        )
        for share, sums in basket.shares
    ]
    part_ids = {share.vendor_id: share.id for share, _ in basket.shares}
    lines = [
        LineRecord(
            part_ids[line.offer.vendor_id],
            line.want.sku_id,
            line.offer.name,
            line.offer.unit,
            line.want.quantity,
            line.unit_price,
            line.total,
            line.tax,
        )
        for line in basket.lines
    ]
    return OrderBook(record, parts, lines)
