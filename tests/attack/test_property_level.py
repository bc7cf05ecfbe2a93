"""API3:2023 broken object property level authorization: nothing is written that a caller may not set, nothing private
is read.
"""

import re
from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

import pytest

from benchmarks.prove.scene import BUYER, CALLERS, HOTEL, OFFICE, OTHER_SELLER, SELLER, SHIP_TO
from gateway.routes import ROUTES, Route
from tests.attack.bodies import example_body, json_operations
from tests.attack.scene import Scene

COVETED: Final[dict[str, Any]] = {
    "id": str(uuid4()),
    "status": "confirmed",
    "roles": ["admin"],
    "role": "owner",
    "confirmed": True,
    "confirmed_at": "2026-01-01T00:00:00Z",
    "user_id": str(uuid4()),
    "owner_id": str(uuid4()),
    "price": {"amount": 1, "currency": "IDR"},
    "unit_price": {"amount": 1, "currency": "IDR"},
    "total": {"amount": 1, "currency": "IDR"},
    "paid": {"amount": 1, "currency": "IDR"},
    "allocated": True,
    "on_hand": 1_000_000,
    "reserved": 0,
    "version": 99,
    "password_hash": "x",
    "__proto__": {"admin": True},
}
OPERATIONS: Final = {f"{method} {path}": Route(method, path, "") for method, path, _ in json_operations()}
WHO: Final = {
    "/v1/vendors": SELLER,
    "/v1/api-keys": SELLER,
    "/v1/auth/act": OFFICE,
    "/v1/bulk-orders": HOTEL,
    "/v1/stock": SELLER,
    "/v1/vendor-orders": SELLER,
    "/v1/organizations": HOTEL,
}
PRIVATE: Final = re.compile(r"password|token_hash|secret|\bnik\b|npwp|bank_account|account_number", re.IGNORECASE)


def caller_of(path: str) -> str:
    """Who may call it, as far as his role goes."""
    if path.endswith("/payments"):
        return OFFICE
    return next((who for prefix, who in WHO.items() if path.startswith(prefix)), BUYER)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_property_that_is_not_the_callers_is_refused_by_name(operation: str, scene: Scene) -> None:
    """Every object in the body of every operation, with every property that somebody would like to smuggle in."""
    route = OPERATIONS[operation]
    body = example_body(route)
    path = re.sub(r"\{(\w+)\}", lambda found: next(iter(scene.objects[found[1]].values())), route.path)
    client = scene.clients[caller_of(route.path)]
    for place in objects_in(body):
        smuggled = {name: value for name, value in COVETED.items() if name not in place}
        place.update(smuggled)
        answer = await client.request(route.method, path, json=body, headers={"Idempotency-Key": str(uuid4())})
        # A row of a batch is refused in its own result, which names the first of its faults.
        row_of_batch = answer.status_code == 409 and answer.json()["code"] == "stock_batch_refused"
        assert answer.status_code == 422 or row_of_batch, (answer.status_code, answer.text)
        errors = answer.json()["errors"]
        if row_of_batch:
            assert [error["code"] for error in errors] == ["extra_forbidden"]
        else:
            assert set(smuggled) <= {error["pointer"].rpartition("/")[2] for error in errors}
        for name in smuggled:
            del place[name]


@pytest.mark.parametrize("who", CALLERS)
async def test_no_answer_holds_what_is_private(who: str, scene: Scene) -> None:
    """Every list and page that a caller can read, searched for names of secrets and for another person's address."""
    for route in ROUTES:
        if route.method != "GET":
            continue
        path = re.sub(r"\{(\w+)\}", lambda found: next(iter(scene.objects[found[1]].values())), route.path)
        answer = await scene.clients[who].get(path, params={"q": "gula"} if "search" in path else None)
        if answer.status_code != 200:
            continue
        assert [name for name in names_in(answer.json()) if PRIVATE.search(name)] == [], route.path
        if who not in (BUYER, SELLER, OTHER_SELLER, HOTEL, OFFICE) and not path.startswith(("/v1/orders", "/v1/bulk")):
            assert SHIP_TO["phone"] not in answer.text, route.path
            assert SHIP_TO["address"] not in answer.text, route.path


async def test_a_price_of_the_client_is_never_taken(scene: Scene) -> None:
    order = scene.order()
    previewed = (await scene.clients[BUYER].post("/v1/orders/preview", json=order)).json()
    for total in (1, previewed["total"]["amount"] - 1, previewed["total"]["amount"] + 1):
        body = {**order, "expected_total": {"amount": total, "currency": "IDR"}}
        answer = await scene.clients[BUYER].post("/v1/orders", json=body, headers={"Idempotency-Key": str(uuid4())})
        assert answer.status_code == 409, answer.text
        assert answer.json()["code"] == "total_changed"


async def test_the_buyers_telephone_is_for_his_sellers_only_once_he_has_confirmed(scene: Scene) -> None:
    """A vendor that has nothing to deliver yet learns neither name nor address."""
    unpaid = {**scene.order(), "payment_method": "manual_transfer"}
    placed = await scene.clients[BUYER].post("/v1/orders", json=unpaid, headers={"Idempotency-Key": str(uuid4())})
    part = placed.json()["vendor_orders"][0]["id"]
    seen = await scene.clients[SELLER].get(f"/v1/vendor-orders/{part}")
    assert seen.status_code == 200
    assert seen.json()["ship_to"] is None
    assert SHIP_TO["phone"] not in seen.text


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a body, the outermost first."""
    if isinstance(value, dict):
        yield value
        for inner in list(value.values()):
            yield from objects_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from objects_in(inner)


def names_in(value: Any) -> Iterator[str]:
    """Every property name in an answer."""
    if isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from names_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from names_in(inner)
