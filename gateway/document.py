"""The OpenAPI document of the door: the documents of the services, and what only the route table knows."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.routes import Route
from ishop.deprecation import mark
from ishop.openapi import merged_document

TAGS: Final[Mapping[str, str]] = {
    "search": "Find products by what people call them.",
    "products": "Products and their packs (skus), as lists and one by one.",
    "taxonomy": "What things are called and where they come from: commodities, categories, regions.",
    "vendors": "The public directory of producers.",
    "stock": "What a vendor has: read it, count it, take from it, from one phone or a thousand rows at once.",
    "identity": "Accounts, signing in, and who the caller is.",
    "api-keys": "Keys by which programs of a vendor or an organization call, each with its scopes.",
    "acting": "Officers who act for a vendor under their own names, and the record of it.",
    "invitations": "Becoming a member of a vendor or an organization.",
    "vendor-members": "Who may act for a vendor, and as what.",
    "organization-members": "Who may act for an organization, and as what.",
    "audit-log": "Who changed which right, price, certificate, state or money, for the office.",
    "orders": "Orders of a person, and of an organization that wants to pay like one.",
    "payments": "What came in on the bank account, as the office records it.",
    "organizations": "Hotels, restaurants and agencies that the caller buys for.",
    "bulk-orders": "Orders of an organization with a PO number: up to 1,000 lines, many producers, one transaction.",
    "vendor-orders": "A producer's part of an order: accept or reject it, ship it, say that it arrived.",
}
"""What a reader finds under each tag; every tag that a route has is here."""

UNAUTHENTICATED: Final = {"$ref": "#/components/responses/Unauthenticated"}
"""What a bad token gets, on public operations too, but not where the token is not looked at."""


def gateway_document(documents: Mapping[str, dict[str, Any]], routes: Iterable[Route]) -> dict[str, Any]:
    """One document of the services' `documents`. Raises ValueError where they contradict each other or the routes."""
    table = tuple(routes)
    document = merged_document(documents, [(route.method, route.path, route.upstream) for route in table])
    for route in table:
        operation = document["paths"][route.path][route.method.lower()]
        if route.signs_in and operation["responses"].get("401") == UNAUTHENTICATED:
            del operation["responses"]["401"]
        mark(operation, route.deprecations)
    for tag in document["tags"]:
        if tag["name"] in TAGS:
            tag["description"] = TAGS[tag["name"]]
    return document
