"""Certificates: number formats, digits that agree with the holder, dates."""

import re
from datetime import date, timedelta

from demo.certificates import SECURE_VENDORS, Certificate, vendor_certificates
from demo.chance import Dice
from demo.material import Commodity
from demo.producers import Producer
from tests.demo.markets import TODAY, composed

FORMATS = {
    "PIRT": r"\d{13}-\d{2}",
    "BPOM_MD": r"MD\d{12}(\d{3})?",
    "BPOM_TR": r"POMTR\d{9}",
    "BPOM_QD": r"POMQD\d{9}",
    "BPOM_NA": r"N[A-E]\d{11}",
    "HALAL": r"ID\d{17}",
    "MEREK": r"ID[MS]\d{9}",
    "NIB": r"\d{13}",
    "SNI": r"SNI\d{4}:\d{4}",
    "SLHS": r"\d{4}/SLHS/\d{4}/\d{4}",
}


def of_products() -> list[tuple[Producer, Commodity, Certificate]]:
    """The permits of all products with their holder."""
    market = composed()
    holders = {one.id: one for one in market.producers}
    commodities = {one.id: one for one in market.material.commodities.values()}
    goods = {row[0]: commodities[row[3]] for row in market.rows.products}
    return [
        (holders[vendor], goods[product], Certificate(kind, number, start, end))
        for _, vendor, product, kind, number, start, end in market.rows.certificates
        if product is not None
    ]


def of_vendors() -> list[tuple[Producer, Certificate]]:
    """What vendors hold for all their goods."""
    return [
        (one, held)
        for one in composed().producers
        for held in vendor_certificates(one, TODAY, Dice(1, "vendor certificates", one.number))
    ]


def test_numbers_have_the_format_of_their_kind() -> None:
    held = [one for _, _, one in of_products()] + [one for _, one in of_vendors()]
    assert {one.kind for one in held} == set(FORMATS)
    for one in held:
        assert re.fullmatch(FORMATS[one.kind], one.number.replace(" ", "")), one


def test_pirt_digits_agree_with_food_type_regency_and_year_of_expiry() -> None:
    for producer, commodity, held in of_products():
        if held.kind == "PIRT":
            assert held.number[0] in "12345678"
            assert held.number[1:3] == commodity.pirt_type
            assert held.number[3:7] == producer.place.code.replace(".", "")
            assert held.valid_until is not None
            assert held.number[14:] == f"{held.valid_until:%y}"


def test_every_rule_of_every_product_is_met_but_where_the_pirt_has_run_out() -> None:
    market = composed()
    kinds: dict[object, set[str]] = {one.id: set() for one in market.producers}
    for producer, held in of_vendors():
        kinds[producer.id].add(held.kind)
    for _, _, product, kind, *_ in market.rows.certificates:
        kinds.setdefault(product, set()).add(kind)
    commodities = {one.id: one for one in market.material.commodities.values()}
    for product, _, vendor, commodity, *_ in market.rows.products:
        held_kinds = kinds[vendor] | kinds.get(product, set())
        for rule in commodities[commodity].rules:
            assert held_kinds & set(rule.split("|")), (commodities[commodity].slug, rule)


def test_certificates_began_in_the_past_and_have_time_left() -> None:
    held = [(producer, one) for producer, _, one in of_products()] + of_vendors()
    for producer, one in held:
        assert one.valid_from < TODAY
        if one.valid_until is None:
            assert one.kind in {"NIB", "HALAL"}
        elif not (one.kind == "PIRT" and producer.pirt_expired):
            assert one.valid_until >= TODAY + timedelta(days=60)


def test_a_handful_of_vendors_has_an_expired_pirt_but_none_of_the_first() -> None:
    expired = {
        producer.number for producer, _, one in of_products() if one.valid_until is not None and one.valid_until < TODAY
    }
    assert 3 <= len(expired) <= 10
    assert min(expired) >= SECURE_VENDORS


def test_the_first_vendors_are_certified_for_two_years() -> None:
    secure = [one for producer, _, one in of_products() if producer.number < SECURE_VENDORS]
    assert all(one.valid_until is None or one.valid_until >= date(2028, 11, 21) for one in secure)
