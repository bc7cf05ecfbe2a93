"""Lists of products and their pages: public."""

from typing import Annotated

import orjson
from fastapi import Depends, Query, Request
from starlette.responses import Response

from ishop import clock, problems
from ishop.errors import InvalidRequest, NotFound
from ishop.etags import IfNoneMatch, public_answer
from ishop.pagination import CursorText, Limit
from ishop.problems import language_of
from ishop.routing import service_router
from ishop.schemas import MAX_AMOUNT, Page
from services.catalog.products import repository
from services.catalog.products.filters import ProductFilters
from services.catalog.products.repository import StoredProduct
from services.catalog.products.schemas import ProductDetail, ProductRead, Sort

router = service_router(tags=["products"])

MAX_AGE_SECONDS = 1
"""Longer, and a page would show stock that is gone."""

Name = Annotated[str | None, Query(max_length=200)]
Price = Annotated[int | None, Query(ge=0, le=MAX_AMOUNT)]


async def product_filters(
    *,
    category: Annotated[Name, Query(description="Slug of a category")] = None,
    commodity: Annotated[Name, Query(description="Slug of a commodity")] = None,
    region: Annotated[Name, Query(description="Region code of the vendor", examples=["52.03"])] = None,
    vendor: Annotated[Name, Query(description="Id or slug of a vendor")] = None,
    certificate: Annotated[Name, Query(description="Kind of certificate", examples=["HALAL"])] = None,
    price_min: Annotated[Price, Query(description="Rupiah; compared with the cheapest pack")] = None,
    price_max: Annotated[
        Price, Query(description="Rupiah, not below `price_min`; compared with the cheapest pack")
    ] = None,
    in_stock: Annotated[bool | None, Query(description="Whether any pack can be bought now")] = None,
) -> ProductFilters:
    """The filters of a list or a search."""
    if price_min is not None and price_max is not None and price_min > price_max:
        raise InvalidRequest(
            errors=[
                {
                    "pointer": "/price_max",
                    "in": "query",
                    "code": "below_price_min",
                    "detail": "price_max is below price_min.",
                }
            ]
        )
    return ProductFilters(category, commodity, region, vendor, certificate, price_min, price_max, in_stock)


Filters = Annotated[ProductFilters, Depends(product_filters)]


@router.get("/v1/products", response_model=Page[ProductRead], responses=problems.responses(InvalidRequest))
async def list_products(
    *,
    request: Request,
    filters: Filters,
    sort: Annotated[Sort, Query(description="The last that were published come first, or by price")] = Sort.newest,
    limit: Limit = 20,
    cursor: CursorText = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Products that can be sold today; those without a valid certificate are left out."""
    language = language_of(request.headers.get("accept-language"))
    cursors, listing = request.app.state.cursors, {**filters.values(), "sort": sort}
    found = await repository.list_products(
        request.app.state.database,
        filters,
        sort,
        language,
        behind=cursors.read(cursor, "products", listing),
        limit=limit + 1,
        today=clock.business_date(clock.now()),
    )
    more = None
    if len(found) > limit:
        _, last_id, last_price = found[limit - 1]
        more = cursors.write("products", listing, [last_price, last_id])
    documents = ",".join(document for document, _, _ in found[:limit])
    body = f'{{"items":[{documents}],"next_cursor":'.encode() + orjson.dumps(more) + b"}"
    return public_answer(body, language, if_none_match, max_age=MAX_AGE_SECONDS)


@router.get("/v1/products/{id_or_slug}", response_model=ProductDetail, responses=problems.responses(NotFound))
async def get(request: Request, id_or_slug: str, if_none_match: IfNoneMatch = None) -> Response:
    """One product with what is available now; its ETag stays while only the numbers change."""
    # As the list does, it takes from the request by itself what dependencies would bring at a fifth of its cost.
    language = language_of(request.headers.get("accept-language"))
    today = clock.business_date(clock.now())
    product = await repository.get_product(request.app.state.database, id_or_slug, language, today)
    return public_answer(
        _page(product),
        language,
        if_none_match,
        max_age=MAX_AGE_SECONDS,
        version=product.version if product.certified else f"{product.version}-uncertified",
    )


def _page(product: StoredProduct) -> bytes:
    """The document with the live stock; an uncertified product has nothing to sell, whatever lies in the store."""
    page = orjson.loads(product.document)
    for sku in page["skus"]:
        available = product.available.get(sku["id"], 0) if product.certified else 0
        sku["in_stock"], sku["available"] = available > 0, available
    return orjson.dumps(page)
