"""The witness is worth nothing if it cannot fail: planted answers that the document does not know."""

import httpx
import pytest

from tests.witness import Undocumented, Witness

PROBLEM = {"type": "about:blank", "title": "T", "status": 404, "code": "not_found", "detail": "D"}


def answer(
    status: int, body: object, *, path: str = "/v1/organizations", headers: dict[str, str] | None = None
) -> httpx.Response:
    media_type = "application/json" if status < 400 else "application/problem+json"
    return httpx.Response(
        status,
        json=body,
        headers={"content-type": media_type, **(headers or {})},
        request=httpx.Request("GET", f"http://market.test{path}"),
    )


async def test_lets_a_documented_answer_pass() -> None:
    await Witness().look_at(answer(200, {"items": [], "next_cursor": None}))
    await Witness().look_at(answer(404, PROBLEM, path="/v1/products/x"))


async def test_looks_away_where_there_is_no_operation() -> None:
    await Witness().look_at(answer(418, {}, path="/v1/teapots"))


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        (answer(299, {}), "answered 299"),
        (answer(403, {**PROBLEM, "code": "bad_weather"}), "the code bad_weather"),
        (answer(200, {"items": "none"}), "wrong shape"),
        (answer(200, {"items": []}, headers={"etag": '"7"'}), "with etag"),
        (answer(200, {"items": []}, headers={"content-type": "text/html"}), "as text/html"),
    ],
)
async def test_refuses(planted: httpx.Response, said: str) -> None:
    with pytest.raises(Undocumented, match=said):
        await Witness().look_at(planted)
