"""Listings: breadth, prices, tiers, order multiples, stock, slugs."""

import itertools
import re
from collections import Counter, defaultdict
from uuid import UUID

import pytest

from demo.packs import CARTON_DISCOUNT
from tests.demo.markets import Composed, composed

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def prices(market: Composed) -> dict[UUID, int]:
    return {row[0]: row[4] for row in market.rows.skus}


class TestBreadth:
    def test_the_standard_market_is_as_broad_as_promised(self) -> None:
        market = composed()
        assert len(market.rows.products) >= 1_500
        assert len(market.rows.skus) >= 3_000
        assert len({row[3] for row in market.rows.products}) == len(market.material.commodities) == 89
        assert len(market.material.categories) == 20

    @pytest.mark.parametrize(("vendors", "products"), [(453, 1_600), (40, 240), (10, 119)])
    def test_the_cooperative_has_250_skus_and_every_commodity_in_every_market(
        self, vendors: int, products: int
    ) -> None:
        market = composed(vendors, products)
        cooperative = market.producers[0].id
        offered = {row[3] for row in market.rows.products if row[2] == cooperative}
        assert sum(row[1] == cooperative for row in market.rows.stock) >= 250
        assert offered == {one.id for one in market.material.commodities.values()}

    @pytest.mark.parametrize("products", [119, 240])
    def test_the_second_vendor_sells_moulded_palm_sugar(self, products: int) -> None:
        market = composed(10 if products == 119 else 40, products)
        sugar = market.material.commodities["gula-aren-cetak"]
        assert sugar in market.producers[1].goods[: max(2, market.producers[1].products)]

    def test_vendors_list_goods_of_their_regency(self) -> None:
        market = composed()
        for one in market.producers[2:]:
            for goods in one.goods[1:]:
                assert one.place.code in goods.origins


class TestPrices:
    def test_prices_are_in_the_range_of_the_data_scaled_by_pack(self) -> None:
        market = composed()
        commodities = {one.id: one for one in market.material.commodities.values()}
        goods = {row[0]: commodities[row[3]] for row in market.rows.products}
        for _, product, _, name, price, _, _, multiple, _, _ in market.rows.skus:
            commodity = goods[product]
            pack = next(one for one in commodity.packs if one.name == name.split(",")[0])
            discount = CARTON_DISCOUNT if multiple > 1 else 1
            step = 100 if price <= 20_000 else 500
            assert price % step == 0
            assert commodity.price_low * pack.factor * discount - step <= price
            assert price <= commodity.price_high * pack.factor * discount + step

    def test_tiers_get_cheaper_with_quantity_and_fit_the_order_multiple(self) -> None:
        market = composed()
        price, multiples = prices(market), {row[0]: row[7] for row in market.rows.skus}
        tiers: dict[UUID, list[tuple[int, int]]] = defaultdict(list)
        for sku, quantity, cheaper in market.rows.tiers:
            tiers[sku].append((quantity, cheaper))
        assert len(tiers) > len(price) / 2
        for sku, steps in tiers.items():
            ladder = [(1, price[sku]), *steps]
            for (few, dear), (many, cheap) in itertools.pairwise(ladder):
                assert many > few
                assert cheap < dear
                assert many % multiples[sku] == 0

    def test_some_packs_are_sold_by_the_carton_only(self) -> None:
        cartons = [row for row in composed().rows.skus if row[7] > 1]
        assert len(cartons) > 100
        assert all(row[8] == row[7] for row in cartons)


class TestStock:
    def test_most_stock_is_plenty_some_low_a_few_gone(self) -> None:
        market = composed()
        on_hand = [row[2] for row in market.rows.stock]
        shares = Counter("none" if amount == 0 else "low" if amount < 10 else "plenty" for amount in on_hand)
        assert 0.005 < shares["none"] / len(on_hand) < 0.03
        assert 0.03 < shares["low"] / len(on_hand) < 0.15
        assert min(row[2] for row in market.rows.stock if row[1] == market.producers[0].id) >= 60

    def test_each_sku_has_one_opening_movement_of_its_stock(self) -> None:
        rows = composed().rows
        assert [(sku, vendor, "opening", amount, 0) for sku, vendor, amount in rows.stock] == rows.movements
        assert [row[0] for row in rows.skus] == [row[0] for row in rows.stock]


class TestTexts:
    @pytest.mark.parametrize(("vendors", "products"), [(453, 1_600), (100, 30_000)])
    def test_slugs_and_codes_are_used_once_and_never_look_like_a_uuid(self, vendors: int, products: int) -> None:
        rows = composed(vendors, products).rows
        slugs = [row[1] for row in rows.products]
        assert len(set(slugs)) == len(slugs)
        assert len({row[2] for row in rows.skus}) == len(rows.skus)
        for slug in slugs:
            assert SLUG.fullmatch(slug)
            assert not re.match(r"[0-9a-f]{8}-", slug)

    def test_texts_are_there_in_both_languages_and_filled_in(self) -> None:
        rows = composed().rows
        for _, _, _, _, name_id, name_en, description_id, description_en, _ in rows.products:
            assert name_id != name_en
            assert description_id != description_en
            for text in (name_id, name_en, description_id, description_en):
                assert text == text.strip()
                assert "{" not in text
                assert "  " not in text
        assert len({row[6] for row in rows.products}) > len(rows.products) * 0.7

    def test_a_small_change_of_size_leaves_ids_of_the_first_vendors_alone(self) -> None:
        assert composed().producers[5].id == composed(40, 240).producers[5].id
