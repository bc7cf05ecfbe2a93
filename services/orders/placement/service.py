"""Placing an order: quote, price, write, and take the stock last, all in the transaction that holds the key's claim."""

import secrets
from datetime import date, datetime
from uuid import UUID

from ishop.auth import Principal
from ishop.errors import Forbidden, InvalidRequest, Language, NotFound
from ishop.routing import Session
from services.orders.lifecycle.domain import OrderStatus, PaymentMethod, VendorOrderStatus
from services.orders.lifecycle.records import LineRecord, OrderBook, OrderRecord, VendorOrderRecord
from services.orders.lifecycle.service import BUYING_ROLES
from services.orders.placement import repository
from services.orders.placement.domain import Basket, check_expected_total, merge, price
from services.orders.placement.errors import field_error
from services.orders.placement.repository import Heading, Quote, Written
from services.orders.placement.schemas import (
    BulkOrderCreate,
    BulkOrderPreviewRequest,
    OrderCreate,
    OrderPreviewRequest,
)

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
NUMBER_DIGITS = 12


def order_number() -> str:
    """A random, readable number such as ORD-7K3M-9QWX-T2BD: 60 bits, so that a thousand million orders of one market
    meet a clash with a chance of one in two at most; a clash is refused by the unique constraint and sent again."""
    digits = "".join(secrets.choice(CROCKFORD) for _ in range(NUMBER_DIGITS))
    return f"ORD-{digits[:4]}-{digits[4:8]}-{digits[8:]}"


async def place(
    session: Session, caller: Principal, order: OrderCreate, language: Language, moment: datetime
) -> OrderBook:
    """Place an order for the caller, or for his organization.

    Raises Forbidden or NotFound for an organization that he does not buy for, InvalidRequest, CertificateExpired,
    TotalChanged, InsufficientStock; nothing is written then.
    """
    _check_buyer(caller, order.organization_id)
    deliver_on = order.deliver_on if isinstance(order, BulkOrderCreate) else None
    quote, basket = await _price(session, order, deliver_on, language, moment)
    _check_payment_method(caller, order, quote)
    check_expected_total(basket, order.expected_total.amount if order.expected_total else None)
    waits = order.payment_method is PaymentMethod.manual_transfer
    heading = Heading(order_number(), OrderStatus.awaiting_payment if waits else OrderStatus.confirmed, moment)
    written = await repository.write(session, caller, order, basket, heading)
    await repository.reserve(session, caller, basket, written)
    return _book(order, basket, heading, written)


async def preview(
    session: Session, caller: Principal, order: OrderPreviewRequest, language: Language, moment: datetime
) -> tuple[Basket, date | None, dict[UUID, int]]:
    """The priced basket, the wanted day and how much of each sku is available; writes nothing."""
    _check_buyer(caller, order.organization_id)
    deliver_on = order.deliver_on if isinstance(order, BulkOrderPreviewRequest) else None
    _, basket = await _price(session, order, deliver_on, language, moment)
    return basket, deliver_on, await repository.available(session, basket)


async def _price(
    session: Session,
    order: OrderCreate | OrderPreviewRequest,
    deliver_on: date | None,
    language: Language,
    moment: datetime,
) -> tuple[Quote, Basket]:
    wants = merge((line.sku_id, line.quantity) for line in order.lines)
    quote = await repository.quote(
        session,
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


def _book(order: OrderCreate, basket: Basket, heading: Heading, written: Written) -> OrderBook:
    """The order as it was just written, so that nothing is read again to answer."""
    amounts = basket.amounts
    bulk = order if isinstance(order, BulkOrderCreate) else None
    record = OrderRecord(
        id=written.order_id,
        number=heading.number,
        status=heading.status,
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
        expires_at=heading.expires_at,
        version=1,
        created_at=heading.moment,
    )
    parts = [
        VendorOrderRecord(
            id=written.vendor_order_ids[share.vendor_id],
            vendor_id=share.vendor_id,
            vendor_name=share.vendor_name,
            status=VendorOrderStatus.placed,
            subtotal=sums.subtotal,
            shipping=sums.shipping,
            tax=sums.tax,
            total=sums.total,
            weight_grams=share.weight_grams,
            accept_by=heading.accept_by,
            tracking_number=None,
        )
        for share, sums in basket.shares
    ]
    lines = [
        LineRecord(
            written.vendor_order_ids[line.offer.vendor_id],
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
