"""A deprecated operation, parameter and field on real routes, in a composition made for this test only."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date

import pytest
from openapi_spec_validator import validate
from pydantic import Field

from gateway.routes import CATALOG, ROUTES
from ishop.deprecation import Deprecation
from ishop.schemas import Schema
from services.catalog.app import create_app
from tests.databases import Cluster, TestDatabase
from tests.gateway.doors import Door, open_door

OPERATION = Deprecation(date(2027, 1, 1), date(2027, 12, 31), "/v2/regions")
PARAMETER = Deprecation(date(2027, 2, 1), date(2027, 8, 31), "sort", parameter="category")
DEPRECATIONS = {"/v1/regions": (OPERATION,), "/v1/products": (PARAMETER,)}


@pytest.fixture(scope="module")
async def door(cluster: Cluster, market_template: TestDatabase) -> AsyncIterator[Door]:
    """The catalog behind the real routes, of which two are deprecated in part or whole."""
    routes = [
        replace(route, deprecations=DEPRECATIONS.get(route.path, ())) for route in ROUTES if route.upstream == CATALOG
    ]
    async with (
        cluster.clone(market_template) as database,
        open_door(database.settings, routes, {CATALOG: create_app}) as door,
    ):
        yield door


class TestHeaders:
    async def test_tell_when_an_operation_goes_and_what_follows_it(self, door: Door) -> None:
        answer = await door.client.get("/v1/regions")
        assert answer.status_code == 200
        assert answer.headers["deprecation"] == "@1798761600"
        assert answer.headers["sunset"] == "Fri, 31 Dec 2027 23:59:59 GMT"
        assert answer.headers.get_list("link") == [
            '</docs>; rel="deprecation"; type="text/html"',
            '</v2/regions>; rel="successor-version"',
        ]

    async def test_are_on_refusals_too(self, door: Door) -> None:
        answer = await door.client.get("/v1/regions?colour=red")
        assert answer.status_code == 422
        assert answer.headers["deprecation"] == "@1798761600"

    @pytest.mark.parametrize("query", ["category=gula_pemanis", "category=", "limit=1&c%61tegory=x"])
    async def test_are_there_when_a_deprecated_parameter_is_used(self, door: Door, query: str) -> None:
        answer = await door.client.get(f"/v1/products?{query}")
        assert answer.status_code == 200
        assert answer.headers["sunset"] == "Tue, 31 Aug 2027 23:59:59 GMT"
        assert "successor-version" not in answer.headers["link"]

    @pytest.mark.parametrize("path", ["/v1/products?q=category", "/v1/products", "/v1/categories"])
    async def test_are_absent_otherwise(self, door: Door, path: str) -> None:
        answer = await door.client.get(path)
        assert not answer.headers.keys() & {"deprecation", "sunset", "link"}


class TestDocument:
    async def test_marks_operation_and_parameter(self, door: Door) -> None:
        document = (await door.client.get("/openapi.json")).json()
        validate(document)
        regions = document["paths"]["/v1/regions"]["get"]
        assert regions["deprecated"] is True
        assert regions["x-sunset"] == "2027-12-31"
        assert regions["description"].startswith(
            "Deprecated since 2027-01-01, gone after 2027-12-31; use `/v2/regions`."
        )
        assert {"Deprecation", "Sunset", "Link"} <= regions["responses"]["200"]["headers"].keys()
        products = document["paths"]["/v1/products"]["get"]
        assert "deprecated" not in products
        marked = [parameter for parameter in products["parameters"] if parameter.get("deprecated")]
        assert [(parameter["name"], parameter["x-successor"]) for parameter in marked] == [("category", "sort")]
        assert "deprecated" not in document["paths"]["/v1/categories"]["get"]

    def test_marks_a_field(self) -> None:
        class Total(Schema):
            """A shape with an old name."""

            amount: int
            sum: int = Field(json_schema_extra=OPERATION.schema())

        properties = Total.model_json_schema()["properties"]
        assert properties["sum"]["deprecated"] is True
        assert properties["sum"]["x-successor"] == "/v2/regions"
        assert "deprecated" not in properties["amount"]


def test_an_end_before_the_beginning_is_refused() -> None:
    with pytest.raises(ValueError, match="2027-01-01 is before the deprecation 2027-02-01"):
        Deprecation(date(2027, 2, 1), date(2027, 1, 1), "/v2/regions")
