"""The SQL of the public directory: one statement a list, however many certificates its vendors have."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ColumnElement, Date, Row, ScalarSelect, Select, and_, cast, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from ishop.clock import MARKET_ZONE
from ishop.contracts.catalog import regions
from ishop.errors import Language, NotFound
from services.vendors.directory.models import Certificate, Vendor
from services.vendors.directory.schemas import Location, Sort, VendorRead


async def list_vendors(
    session: AsyncSession,
    language: Language,
    *,
    region: str | None,
    certificate: str | None,
    sort: Sort,
    behind: Sequence[Any] | None,
    limit: int,
) -> list[VendorRead]:
    """Up to `limit` active vendors behind the sort key `behind` (see `sort_key`)."""
    statement = _vendors(language).limit(limit)
    if region is not None:
        statement = statement.where(Vendor.region_code == region)
    if certificate is not None:
        held = select(Certificate.id).where(_is_valid(), Certificate.kind == certificate)
        statement = statement.where(held.correlate(Vendor, regions).exists())
    if sort == "name":
        statement = statement.order_by(Vendor.name, Vendor.id)
        if behind is not None:
            statement = statement.where(tuple_(Vendor.name, Vendor.id) > tuple_(behind[0], UUID(behind[1])))
    else:
        statement = statement.order_by(Vendor.created_at.desc(), Vendor.id.desc())
        if behind is not None:
            last = tuple_(datetime.fromisoformat(behind[0]), UUID(behind[1]))
            statement = statement.where(tuple_(Vendor.created_at, Vendor.id) < last)
    return [_read(row) for row in await session.execute(statement)]


def sort_key(vendor: VendorRead, sort: Sort) -> list[Any]:
    """What the page after `vendor` starts behind."""
    return [vendor.name if sort == "name" else vendor.created_at.isoformat(), vendor.id]


async def get(session: AsyncSession, language: Language, reference: str) -> VendorRead:
    """The active vendor with this id or slug; NotFound without one."""
    named: ColumnElement[bool] = Vendor.slug == reference
    with suppress(ValueError):
        named = or_(named, Vendor.id == UUID(reference))
    row = (await session.execute(_vendors(language).where(named))).one_or_none()
    if row is None:
        raise NotFound
    return _read(row)


def _read(row: Row[*tuple[Any, ...]]) -> VendorRead:
    return VendorRead(
        id=row.id,
        slug=row.slug,
        name=row.name,
        description=row.description,
        region_code=row.region_code,
        location=Location(latitude=row.latitude, longitude=row.longitude),
        nib=row.nib,
        size_class=row.size_class,
        workers=row.workers,
        certificates=row.certificates or [],
        created_at=row.created_at,
    )


def _vendors(language: Language) -> Select[*tuple[Any, ...]]:
    description = Vendor.description_en if language == "en" else Vendor.description_id
    return (
        select(
            Vendor.id,
            Vendor.slug,
            Vendor.name,
            description.label("description"),
            Vendor.region_code,
            Vendor.latitude,
            Vendor.longitude,
            Vendor.nib,
            Vendor.size_class,
            Vendor.workers,
            Vendor.created_at,
            _certificates().label("certificates"),
        )
        .outerjoin_from(Vendor, regions, regions.c.code == Vendor.region_code)
        .where(Vendor.status == "active")
    )


def _certificates() -> ScalarSelect[Any]:
    """The valid certificates of the vendor and of its products; null where there is none."""
    certificate = func.json_build_object(
        "kind", Certificate.kind, "number", Certificate.number, "valid_until", Certificate.valid_until
    )
    in_order = aggregate_order_by(certificate, Certificate.kind, Certificate.number)
    return select(func.json_agg(in_order, type_=JSON)).where(_is_valid()).correlate(Vendor, regions).scalar_subquery()


def _is_valid() -> ColumnElement[bool]:
    """Whether a certificate of the vendor holds today: it is valid through the last day of its own time zone."""
    zone = func.coalesce(regions.c.timezone, MARKET_ZONE.key)
    today = cast(func.timezone(zone, func.now()), Date)
    return and_(
        Certificate.vendor_id == Vendor.id,
        Certificate.revoked_at.is_(None),
        Certificate.valid_from <= today,
        or_(Certificate.valid_until.is_(None), Certificate.valid_until >= today),
    )
