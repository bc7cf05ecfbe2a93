"""What callers ask of search and what they get."""

from enum import StrEnum

from pydantic import Field

from ishop.schemas import Money, Schema
from services.catalog.products.schemas import ProductRead


class SearchSort(StrEnum):
    """The order of hits; `-price` is the dearest first, `distance` needs `near`.

    `relevance` is `newest` where nothing is searched for.
    """

    relevance = "relevance"
    price = "price"
    price_down = "-price"
    newest = "newest"
    distance = "distance"


class Facet(StrEnum):
    """What hits can be counted by. Vendors are counted by their slug, the twenty with the most hits."""

    category = "category"
    commodity = "commodity"
    region = "region"
    vendor = "vendor"
    certificate = "certificate"


class EngineName(StrEnum):
    """Who found the hits. PostgreSQL ranks less finely and counts at most 1,000."""

    meilisearch = "meilisearch"
    postgres = "postgres"


class Hit(ProductRead):
    """A product as lists show it, with its lowest price, and its distance where `near` was given."""

    price_from: Money
    distance_km: float | None = Field(examples=[12.34])


class SearchAnswer(Schema):
    """One page of hits. `suggestion` is the query as it was read, where it was corrected."""

    hits: list[Hit]
    total: int
    total_is_exact: bool = Field(description="False where there are more hits than `total`")
    facets: dict[Facet, dict[str, int]] = Field(examples=[{"category": {"gula_pemanis": 12}}])
    engine: EngineName
    took_ms: float
    suggestion: str | None = Field(examples=["gula aren"])
    page: int
    per_page: int


class Suggestions(Schema):
    """What the caller may be about to type, the likeliest first."""

    suggestions: list[str] = Field(examples=[["gula aren", "gula semut aren"]])
