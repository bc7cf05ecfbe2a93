"""Packs: content in the base unit, weights, prices by size."""

import itertools
from decimal import Decimal

import pytest

from demo.material import Material
from demo.packs import CARTON_LIMIT_GRAMS, carton_size, read_pack, round_price

MATERIAL = Material.load()


@pytest.mark.parametrize(
    ("slug", "base_unit", "pack", "content"),
    [
        ("gula-semut", "kg", "250 g", "0.2500"),
        ("gula-semut", "kg", "10 kg", "10.0000"),
        ("gula-aren-cair", "l", "250 ml", "0.2500"),
        ("gula-aren-cair", "l", "5 l", "5.0000"),
        ("teh-kelor", "kg", "20 sachet", "0.0400"),
        ("teh-kelor", "kg", "50 g", "0.0500"),
        ("serbat-jahe", "kg", "10 sachet", "0.2000"),
        ("kunyit-asam-instan", "kg", "10 sachet", "0.1500"),
        ("minuman-rumput-laut", "l", "24 cup", "4.8000"),
        ("minyak-goreng-kelapa", "l", "18 l", "18.0000"),
        ("minyak-cengkeh", "l", "1 kg", "0.9600"),
        ("minyak-cengkeh-curah", "kg", "200 kg", "200.0000"),
        ("madu-hutan-sumbawa", "l", "1 kg", "0.7143"),
        ("garam-krosok", "kg", "50 kg", "50.0000"),
        ("sambal-lombok", "kg", "150 g", "0.1500"),
        ("telur-asin", "pcs", "30 butir", "30.0000"),
        ("telur-ayam-lokal", "pcs", "1 kg", "16.0000"),
        ("sabun-padat-herbal", "pcs", "60 g", "1.0000"),
        ("sabun-padat-herbal", "pcs", "24 pcs", "24.0000"),
        ("sabun-hotel", "pcs", "500 pcs", "500.0000"),
        ("tenun-songket-lombok", "pcs", "200 x 100 cm", "1.0000"),
        ("tenun-pringgasela", "pcs", "1 m", "0.5000"),
        ("batik-sasambo", "pcs", "2 m", "1.0000"),
        ("mutiara-lombok", "pcs", "1 g", "1.0000"),
        ("tas-kemasan-spunbond", "pcs", "1000 pcs", "1000.0000"),
        ("ikan-kaleng-olahan", "kg", "24 kaleng", "3.7200"),
    ],
)
def test_content_is_in_the_base_unit(slug: str, base_unit: str, pack: str, content: str) -> None:
    commodity = MATERIAL.commodities[slug]
    assert commodity.base_unit == base_unit
    assert {one.name: one.content for one in commodity.packs}[pack] == Decimal(content)


def test_every_pack_has_content_and_weighs_at_least_what_is_in_it() -> None:
    for commodity in MATERIAL.commodities.values():
        for pack in commodity.packs:
            assert pack.content > 0
            if commodity.base_unit == "kg":
                assert pack.weight_grams > pack.content * 1000


def test_a_larger_pack_costs_less_per_unit_and_more_in_all() -> None:
    for commodity in MATERIAL.commodities.values():
        sizes = sorted({(pack.content, pack.factor) for pack in commodity.packs})
        for (less, cheap), (more, dear) in itertools.pairwise(sizes):
            if less < more:
                assert cheap < dear
                assert cheap / float(less) > dear / float(more)


@pytest.mark.parametrize("pack", ["250", "g 250", "", "250 G", "1/2 kg"])
def test_an_unreadable_pack_is_refused(pack: str) -> None:
    with pytest.raises(ValueError, match="not a pack size"):
        read_pack(pack)


def test_a_carton_can_be_lifted() -> None:
    packs = [pack for commodity in MATERIAL.commodities.values() for pack in commodity.packs]
    cartons = {pack: carton_size(pack) for pack in packs}
    assert any(cartons.values())
    assert all(size * pack.weight_grams <= CARTON_LIMIT_GRAMS for pack, size in cartons.items() if size)
    assert not any(size for pack, size in cartons.items() if pack.min_quantity > 1)


@pytest.mark.parametrize(
    ("rupiah", "price"),
    [(3, 100), (4_249, 4_200), (4_251, 4_300), (19_960, 20_000), (20_240, 20_000), (20_260, 20_500)],
)
def test_prices_are_round(rupiah: float, price: int) -> None:
    assert round_price(rupiah) == price
