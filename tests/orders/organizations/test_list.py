"""GET /v1/organizations."""

from tests.orders.shops import Shop


class TestList:
    async def test_shows_the_organizations_of_the_caller(self, shop: Shop) -> None:
        answer = await shop.finance.get("/v1/organizations")
        assert answer.status_code == 200
        assert answer.json() == {
            "items": [
                {
                    "id": str(shop.hotel),
                    "slug": "hotel-senggigi",
                    "name": "Hotel Senggigi",
                    "kind": "hotel",
                    "region_code": "52.01",
                    "terms_days": 30,
                    "role": "finance",
                }
            ],
            "next_cursor": None,
        }

    async def test_forgets_who_left_whatever_his_token_says(self, shop: Shop) -> None:
        await shop.fetch("DELETE FROM orders.organization_members")
        assert (await shop.finance.get("/v1/organizations")).json()["items"] == []

    async def test_is_for_members(self, shop: Shop) -> None:
        for client, status in ((shop.anonymous, 401), (shop.consumer, 403), (shop.office, 403)):
            assert (await client.get("/v1/organizations")).status_code == status
