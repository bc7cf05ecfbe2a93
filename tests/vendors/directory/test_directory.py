"""GET /v1/vendors and /v1/vendors/{id or slug}: public, for active vendors."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from ishop.clock import business_date, now
from tests.vendors.stalls import OTHER, OWN, Stall

ADD_CERTIFICATE = """
INSERT INTO vendors.certificates (vendor_id, kind, number, valid_from, valid_until, revoked_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""


async def certify(
    stall: Stall,
    vendor: UUID,
    kind: str,
    number: str,
    *,
    days: tuple[int, int | None] = (-10, 10),
    revoked: bool = False,
) -> None:
    """Give a vendor a certificate, valid from the first to the last of these days counted from today where it is."""
    today, (begins, ends) = business_date(now()), days
    until = None if ends is None else today + timedelta(days=ends)
    await stall.fetch(
        ADD_CERTIFICATE, vendor, kind, number, today + timedelta(days=begins), until, now() if revoked else None
    )


async def slugs(stall: Stall, **parameters: Any) -> list[str]:
    answer = await stall.anonymous.get("/v1/vendors", params=parameters)
    assert answer.status_code == 200, answer.text
    return [item["slug"] for item in answer.json()["items"]]


class TestListVendors:
    async def test_shows_active_vendors_only(self, stall: Stall) -> None:
        for status in ("applied", "verified", "suspended", "closed"):
            await stall.add_vendor(status, status.title(), status=status)
        assert await slugs(stall) == [OWN, OTHER]

    async def test_sorts_by_name_or_by_who_joined_last(self, stall: Stall) -> None:
        await stall.add_vendor("arang-sasak", "Arang Sasak")
        assert await slugs(stall, sort="name") == ["arang-sasak", OWN, OTHER]
        assert await slugs(stall, sort="newest") == ["arang-sasak", OTHER, OWN]

    @pytest.mark.parametrize("sort", ["name", "newest"])
    async def test_shows_each_vendor_once_when_paged_through(self, stall: Stall, sort: str) -> None:
        for number in range(5):
            # Equal names: the id decides.
            await stall.add_vendor(f"kembar-{number}", "Kembar")
        everything = await slugs(stall, sort=sort)
        seen: list[str] = []
        parameters: dict[str, Any] = {"sort": sort, "limit": 3}
        while parameters.get("cursor", "") is not None:
            page = (await stall.anonymous.get("/v1/vendors", params=parameters)).json()
            seen += [item["slug"] for item in page["items"]]
            parameters["cursor"] = page["next_cursor"]
        assert len(seen) == 7
        assert seen == everything

    async def test_filters_by_region(self, stall: Stall) -> None:
        await stall.add_vendor("tenun-bima", "Tenun Bima", region="52.72")
        assert await slugs(stall, region="52.72") == ["tenun-bima"]
        assert await slugs(stall, region="99.99") == []

    async def test_filters_by_a_certificate_that_is_valid_today(self, stall: Stall) -> None:
        await certify(stall, stall.own, "HALAL", "1", days=(-10, 0))
        await certify(stall, stall.own, "PIRT", "2", days=(-10, None))
        await certify(stall, stall.other, "HALAL", "3", days=(-10, -1))
        await certify(stall, stall.other, "HALAL", "4", days=(1, 10))
        await certify(stall, stall.other, "HALAL", "5", revoked=True)
        assert await slugs(stall, certificate="HALAL") == [OWN]
        assert await slugs(stall, certificate="HALAL", region="52.02") == []
        assert await slugs(stall, certificate="BPOM_MD") == []

    async def test_is_one_query_however_many_certificates(self, stall: Stall) -> None:
        for number in range(5):
            await certify(stall, stall.own, "HALAL", str(number))
            await certify(stall, stall.other, "PIRT", str(number))
        with stall.count_queries() as statements:
            answer = await stall.anonymous.get("/v1/vendors", params={"region": "52.01"})
        assert [len(item["certificates"]) for item in answer.json()["items"]] == [5, 5]
        assert len(statements) == 1

    async def test_may_be_kept_by_caches_for_each_language(self, stall: Stall) -> None:
        answer = await stall.anonymous.get("/v1/vendors", headers={"Accept-Language": "en"})
        assert answer.headers["Cache-Control"] == "public, max-age=30"
        assert answer.headers["Vary"] == "Accept-Language"
        assert answer.headers["Content-Language"] == "en"
        assert answer.json()["items"][0]["description"] == "Description of Gula Lestari"

    @pytest.mark.parametrize(
        ("parameters", "code"),
        [
            ({"region": "5201"}, "string_pattern_mismatch"),
            ({"region": "\u0665\u0662.01"}, "string_pattern_mismatch"),
            ({"certificate": "halal"}, "string_pattern_mismatch"),
            ({"sort": "price"}, "literal_error"),
            ({"limit": 101}, "less_than_equal"),
            ({"q": "gula"}, "unknown_parameter"),
            ({"cursor": "nonsense"}, "invalid_cursor"),
        ],
    )
    async def test_is_422_when_a_parameter_is_wrong(self, stall: Stall, parameters: dict[str, Any], code: str) -> None:
        answer = await stall.anonymous.get("/v1/vendors", params=parameters)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)

    async def test_is_422_when_the_cursor_is_of_another_sort(self, stall: Stall) -> None:
        page = (await stall.anonymous.get("/v1/vendors", params={"limit": 1, "sort": "name"})).json()
        answer = await stall.anonymous.get("/v1/vendors", params={"sort": "newest", "cursor": page["next_cursor"]})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "invalid_cursor")


class TestGet:
    async def test_shows_a_vendor_by_id_or_slug(self, stall: Stall) -> None:
        await certify(stall, stall.own, "PIRT", "2065201010001-29", days=(-10, None))
        await certify(stall, stall.own, "HALAL", "ID52110000001", days=(-10, 3))
        by_slug = await stall.anonymous.get(f"/v1/vendors/{OWN}")
        body = by_slug.json()
        (nib,) = await stall.fetch("SELECT nib FROM vendors.vendors WHERE slug = $1", OWN)
        created_at = body.pop("created_at")
        assert created_at.endswith("Z")
        assert body == {
            "id": str(stall.own),
            "slug": OWN,
            "name": "Gula Lestari",
            "description": "Uraian Gula Lestari",
            "region_code": "52.01",
            "location": {"latitude": -8.5, "longitude": 116.25},
            "nib": nib["nib"],
            "size_class": "micro",
            "workers": 4,
            "certificates": [
                {
                    "kind": "HALAL",
                    "number": "ID52110000001",
                    "valid_until": str(business_date(now()) + timedelta(days=3)),
                },
                {"kind": "PIRT", "number": "2065201010001-29", "valid_until": None},
            ],
        }
        by_id = await stall.anonymous.get(f"/v1/vendors/{stall.own}")
        assert by_id.content == by_slug.content

    async def test_speaks_the_language_of_the_caller(self, stall: Stall) -> None:
        answer = await stall.anonymous.get(f"/v1/vendors/{OWN}", headers={"Accept-Language": "en"})
        assert answer.json()["description"] == "Description of Gula Lestari"
        assert answer.headers["Content-Language"] == "en"

    async def test_is_one_query(self, stall: Stall) -> None:
        with stall.count_queries() as statements:
            await stall.anonymous.get(f"/v1/vendors/{OWN}")
        assert len(statements) == 1

    async def test_is_304_until_something_changed(self, stall: Stall) -> None:
        first = await stall.anonymous.get(f"/v1/vendors/{OWN}")
        headers = {"If-None-Match": first.headers["ETag"]}
        again = await stall.anonymous.get(f"/v1/vendors/{OWN}", headers=headers)
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
        english = await stall.anonymous.get(f"/v1/vendors/{OWN}", headers={**headers, "Accept-Language": "en"})
        assert english.status_code == 200
        await certify(stall, stall.own, "HALAL", "1")
        changed = await stall.anonymous.get(f"/v1/vendors/{OWN}", headers=headers)
        assert changed.status_code == 200
        assert changed.headers["ETag"] != first.headers["ETag"]

    async def test_is_404_when_there_is_none_or_it_is_not_active(self, stall: Stall) -> None:
        hidden = await stall.add_vendor("tersembunyi", "Tersembunyi", status="suspended")
        for reference in ("tersembunyi", hidden, uuid4(), "gula", "%20", "x" * 200):
            answer = await stall.anonymous.get(f"/v1/vendors/{reference}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    async def test_is_the_same_for_everybody(self, stall: Stall) -> None:
        doors = (stall.anonymous, stall.consumer, stall.owner, stall.rival, stall.office)
        answers = {(await client.get(f"/v1/vendors/{OWN}")).content for client in doors}
        assert len(answers) == 1
