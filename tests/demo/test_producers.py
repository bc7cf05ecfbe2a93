"""Producers: the counts and workers of the source, places, names, and the same market for the same seed."""

import math
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.material import Material
from demo.producers import MarketSizeRefused, apportion, cohort_totals, group_sizes, producers, product_counts
from tests.demo.markets import TODAY, composed

MATERIAL = Material.load()


class TestSource:
    def test_producers_per_goods_are_those_of_the_source(self) -> None:
        counts = Counter(one.group.slug for one in composed().producers)
        assert counts == {
            "minyak-goreng": 55,
            "susu-kedelai": 138,
            "teh-kelor": 35,
            "serbat-jahe": 22,
            "gula-semut": 17,
            "tas-kemasan": 66,
            "cengkeh-kayu-putih": 120,
        }

    def test_each_vendor_begins_with_the_goods_of_its_group(self) -> None:
        assert all(one.goods[0] in one.group.main for one in composed().producers)

    def test_workers_per_cohort_are_those_of_the_source_and_the_joint_figure_stays_joint(self) -> None:
        workers: dict[str, list[int | None]] = defaultdict(list)
        for one in composed().producers:
            workers[one.group.cohort].append(one.workers)
        assert workers.pop("gula-semut-kelor-jahe") == [None] * 74
        known = {cohort: sum(filter(None, figures)) for cohort, figures in workers.items()}
        assert known == {"minyak-goreng": 382, "susu-kedelai": 895, "tas-kemasan": 198, "cengkeh-kayu-putih": 473}
        assert all(figure and figure >= 1 for figures in workers.values() for figure in figures)

    def test_totals_are_those_of_the_source(self) -> None:
        totals = cohort_totals(MATERIAL, group_sizes(MATERIAL, 453))
        assert [(members, workers) for _, members, workers in totals] == [
            (74, 910),
            (55, 382),
            (138, 895),
            (66, 198),
            (120, 473),
        ]
        assert sum(workers for _, _, workers in totals) == 2_858

    def test_a_larger_market_keeps_the_proportions(self) -> None:
        sizes = dict(zip((group.slug for group in MATERIAL.groups), group_sizes(MATERIAL, 4_530), strict=True))
        assert sum(sizes.values()) == 4_530
        assert all(abs(sizes[group.slug] - 10 * group.vendors) <= 2 for group in MATERIAL.groups)

    @pytest.mark.parametrize("vendors", [10, 11, 40, 452, 454, 4_673])
    def test_every_group_is_there_in_every_market(self, vendors: int) -> None:
        sizes = group_sizes(MATERIAL, vendors)
        assert sum(sizes) == vendors
        assert sizes[0] >= 2
        assert min(sizes) >= 1


class TestApportion:
    @given(total=st.integers(50, 5_000), weights=st.lists(st.integers(1, 100), min_size=1, max_size=50))
    def test_shares_sum_to_the_total_and_nobody_gets_nothing(self, total: int, weights: list[int]) -> None:
        shares = apportion(total, weights, least=1)
        assert sum(shares) == total
        assert min(shares) >= 1

    def test_too_little_to_share_is_refused(self) -> None:
        with pytest.raises(MarketSizeRefused):
            apportion(2, [1, 1, 1], least=1)


class TestSizes:
    @pytest.mark.parametrize(("vendors", "products"), [(453, 1_600), (40, 240), (10, 119), (4_673, 1_000_000)])
    def test_all_products_are_shared_out_and_the_cooperative_has_most(self, vendors: int, products: int) -> None:
        counts = product_counts(vendors, products, seed=1)
        assert sum(counts) == products
        assert counts[0] > max(counts[1:])
        assert min(counts) >= 1

    def test_fewer_than_ten_vendors_are_refused(self) -> None:
        with pytest.raises(MarketSizeRefused, match="at least 10 vendors"):
            group_sizes(MATERIAL, 9)

    def test_too_few_products_are_refused(self) -> None:
        with pytest.raises(MarketSizeRefused, match="at least 119 products"):
            product_counts(10, 118, seed=1)

    def test_more_vendors_than_names_are_refused(self) -> None:
        with pytest.raises(MarketSizeRefused, match="names for"):
            list(producers(MATERIAL, 60_000, 200_000, seed=1))


class TestIdentity:
    def test_nib_slug_name_and_id_are_each_used_once(self) -> None:
        for everybody in (composed().producers, list(producers(MATERIAL, 6_000, 20_000, seed=3))):
            for field in ("nib", "slug", "name", "brand", "id"):
                assert len({getattr(one, field) for one in everybody}) == len(everybody), field

    def test_nib_has_13_digits_and_begins_with_the_day_of_registration(self) -> None:
        for one in composed().producers:
            assert len(one.nib) == 13
            assert one.nib.isdecimal()
            assert one.nib.startswith(f"{one.registered:%d%m%y}")
            assert one.registered < TODAY

    def test_ids_are_version_7_and_in_order(self) -> None:
        ids = [one.id for one in composed().producers]
        assert ids == sorted(ids)
        assert {(one.version, one.variant) for one in ids} == {(7, "specified in RFC 4122")}

    def test_the_largest_vendor_is_a_cooperative(self) -> None:
        largest = max(composed().producers, key=lambda one: one.products)
        assert largest.is_cooperative
        assert largest.name.startswith("Koperasi")


class TestPlaces:
    def test_vendors_stand_in_all_ten_regencies_where_their_goods_are_at_home(self) -> None:
        assert {one.place.code for one in composed().producers} == set(MATERIAL.places)
        for one in composed().producers:
            main = {code for goods in one.group.main for code in goods.origins}
            # Kota Bima is an enclave of Bima regency, where the data has the origin.
            assert one.place.code in main | {"52.72"}

    def test_vendors_stand_near_the_centre_and_not_all_on_one_spot(self) -> None:
        for one in composed().producers:
            north = (one.latitude - one.place.latitude) * 111.2
            east = (one.longitude - one.place.longitude) * 111.2 * math.cos(math.radians(one.place.latitude))
            assert math.hypot(north, east) <= one.place.spread_km + 0.01
        assert len({(one.latitude, one.longitude) for one in composed().producers}) > 440


class TestSeed:
    def test_the_same_seed_gives_the_same_market(self) -> None:
        composed.cache_clear()
        first = composed()
        composed.cache_clear()
        assert [one.id for one in first.producers] == [one.id for one in composed().producers]
        assert first.rows == composed().rows

    def test_another_seed_gives_another_market(self) -> None:
        ours, others = composed().rows, composed(seed=2).rows
        assert not {row[0] for row in ours.products} & {row[0] for row in others.products}
        assert [row[4] for row in ours.products] != [row[4] for row in others.products]
