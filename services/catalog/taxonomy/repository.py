"""Reads categories, commodities and regions."""

from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from ishop.errors import Language, NotFound
from services.catalog.taxonomy.models import Category, Commodity, Region
from services.catalog.taxonomy.schemas import CategoryRead, CommodityRead, RegionRead


async def list_categories(session: AsyncSession, language: Language) -> list[CategoryRead]:
    """All categories in the order of the shelves."""
    name = Category.name_en if language == "en" else Category.name_id
    rows = await session.execute(select(Category.slug, name).order_by(Category.position, Category.slug))
    return [CategoryRead(slug=slug, name=name) for slug, name in rows]


async def list_regions(session: AsyncSession) -> list[RegionRead]:
    """All regions by code; their names are the same in both languages."""
    rows = await session.execute(
        select(
            Region.code,
            Region.name,
            Region.kind,
            Region.island,
            Region.capital,
            Region.latitude,
            Region.longitude,
            Region.timezone,
        ).order_by(Region.code)
    )
    return [RegionRead.model_validate(row) for row in rows]


async def list_commodities(
    session: AsyncSession, language: Language, *, category: str | None, behind: str | None, limit: int
) -> list[CommodityRead]:
    """At most `limit` commodities by slug, behind the slug `behind`."""
    statement = _commodities(language).order_by(Commodity.slug).limit(limit)
    if category is not None:
        statement = statement.where(Commodity.category_slug == category)
    if behind is not None:
        statement = statement.where(Commodity.slug > behind)
    return [_commodity(row) for row in await session.execute(statement)]


async def get_commodity(session: AsyncSession, slug: str, language: Language) -> CommodityRead:
    """One commodity; NotFound where there is none."""
    row = (await session.execute(_commodities(language).where(Commodity.slug == slug))).one_or_none()
    if row is None:
        raise NotFound
    return _commodity(row)


def _commodities(language: Language) -> Select[*tuple[Any, ...]]:
    name, description = (
        (Commodity.name_en, Commodity.description_en)
        if language == "en"
        else (Commodity.name_id, Commodity.description_id)
    )
    return select(
        Commodity.slug,
        name.label("name"),
        description.label("description"),
        Commodity.category_slug,
        Commodity.base_unit,
        Commodity.certificate_rules,
        Commodity.synonyms,
        Commodity.shelf_life_days,
        Commodity.shipping_flags,
    )


def _commodity(row: Row[*tuple[Any, ...]]) -> CommodityRead:
    return CommodityRead(
        slug=row.slug,
        name=row.name,
        description=row.description,
        category=row.category_slug,
        base_unit=row.base_unit,
        certificates=[rule.split("|") for rule in row.certificate_rules],
        synonyms=row.synonyms,
        shelf_life_days=row.shelf_life_days,
        shipping_flags=row.shipping_flags,
    )
