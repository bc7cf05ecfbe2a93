"""Every route of stock by everybody who may knock: the right one gets in, the others change nothing."""

from typing import Any

import pytest
from httpx import AsyncClient, Response

from tests.vendors.stalls import Stall

ROUTES: dict[str, tuple[str, str, dict[str, Any] | None]] = {
    "list": ("GET", "/v1/stock", None),
    "list of a vendor": ("GET", "/v1/stock?vendor={own}", None),
    "get": ("GET", "/v1/stock/{sku}", None),
    "change": ("PATCH", "/v1/stock/{sku}", {"count": 4, "expected_version": 1}),
    "movements": ("GET", "/v1/stock/{sku}/movements", None),
    "batch": (
        "POST",
        "/v1/stock/batch",
        {"mode": "atomic", "rows": [{"sku_id": "{sku}", "count": 4, "expected_version": 1}]},
    ),
}

# What each caller is answered. A batch with a foreign sku is refused by its row, which does not tell whose sku it is.
ANSWERS: dict[str, dict[str, int]] = {
    "list": {"anonymous": 401, "consumer": 403, "office": 403, "rival": 200, "staff": 200, "owner": 200},
    "list of a vendor": {"anonymous": 401, "consumer": 403, "office": 403, "rival": 404, "staff": 200, "owner": 200},
    "get": {"anonymous": 401, "consumer": 404, "office": 200, "rival": 404, "staff": 200, "owner": 200},
    "change": {"anonymous": 401, "consumer": 404, "office": 404, "rival": 404, "staff": 200, "owner": 200},
    "movements": {"anonymous": 401, "consumer": 404, "office": 200, "rival": 404, "staff": 200, "owner": 200},
    "batch": {"anonymous": 401, "consumer": 403, "office": 403, "rival": 409, "staff": 200, "owner": 200},
}
CODES = {401: "unauthenticated", 403: "forbidden", 404: "not_found", 409: "stock_batch_refused"}
CASES = [(route, caller, status) for route, answers in ANSWERS.items() for caller, status in answers.items()]


@pytest.fixture
def stall(shared_stall: Stall) -> Stall:
    """One for all: each test knocks for a sku that it made itself."""
    return shared_stall


async def knock(stall: Stall, client: AsyncClient, route: str, sku: object) -> Response:
    method, address, body = ROUTES[route]
    if body is not None and "rows" in body:
        body = {**body, "rows": [{**row, "sku_id": str(sku)} for row in body["rows"]]}
    headers = {"Idempotency-Key": "key-1"} if method == "POST" else {}
    return await client.request(method, address.format(sku=sku, own=stall.own), json=body, headers=headers)


@pytest.mark.parametrize(("route", "caller", "status"), CASES)
async def test_lets_in_only_whom_it_should(stall: Stall, route: str, caller: str, status: int) -> None:
    sku = await stall.add_stock(10)
    before = await stall.everything()
    answer = await knock(stall, getattr(stall, caller), route, sku)
    assert answer.status_code == status
    if status == 200:
        assert answer.json() != {"items": []}
    else:
        assert answer.json()["code"] == CODES[status]
        assert await stall.everything() == before


@pytest.mark.parametrize("route", ROUTES)
async def test_is_401_when_the_token_is_not_ours(stall: Stall, route: str) -> None:
    sku = await stall.add_stock(10)
    before = await stall.everything()
    stranger = stall.client(None)
    stranger.headers["Authorization"] = "Bearer nonsense"
    answer = await knock(stall, stranger, route, sku)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert await stall.everything() == before


async def test_does_not_show_skus_of_others_in_the_list(stall: Stall) -> None:
    await stall.add_stock(10)
    assert (await stall.rival.get("/v1/stock")).json() == {"items": [], "next_cursor": None}


async def test_tells_nothing_about_a_foreign_sku_that_an_unknown_one_would_not(stall: Stall) -> None:
    foreign, unknown = await stall.add_stock(10), stall.own
    for route in ("get", "change", "movements"):
        answers = [await knock(stall, stall.rival, route, sku) for sku in (foreign, unknown)]
        assert answers[0].content == answers[1].content
