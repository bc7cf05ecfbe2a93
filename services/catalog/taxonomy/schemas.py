"""What callers see of categories, commodities and regions; texts are in their language."""

from pydantic import Field

from ishop.schemas import Schema


class CategoryRead(Schema):
    """A shelf of the market."""

    slug: str = Field(examples=["gula_pemanis"])
    name: str


class CommodityRead(Schema):
    """A kind of goods, whoever makes it. Hotels order by it."""

    slug: str = Field(examples=["gula-semut"])
    name: str
    description: str
    category: str = Field(examples=["gula_pemanis"])
    base_unit: str = Field(examples=["kg"], description="What quantities are counted in: kg, l or pcs")
    certificates: list[list[str]] = Field(
        examples=[[["NIB"], ["PIRT", "BPOM_MD"], ["HALAL"]]],
        description="A seller needs one kind out of each list, valid on the day of delivery",
    )
    synonyms: list[str] = Field(description="Other names under which search finds it")
    shelf_life_days: int | None
    shipping_flags: list[str] = Field(examples=[["liquid", "no_air"]])


class RegionRead(Schema):
    """A province, regency or city, by its Kemendagri code; the coordinates are of its middle, in degrees."""

    code: str = Field(examples=["52.03"])
    name: str
    kind: str = Field(examples=["regency"])
    island: str
    capital: str
    latitude: float
    longitude: float
    timezone: str = Field(examples=["Asia/Makassar"])
