from datetime import date
from decimal import Decimal

import pytest

from checkout.models import Cart, Line
from checkout.pricing import discount_for, shipping_for, total


def cart(price="20.00", quantity=1, promo=None, day=date(2026, 11, 1)):
    return Cart("c-1", day, [Line("mug", Decimal(price), quantity)], promo)


def test_no_code_gives_no_discount():
    assert discount_for(cart()) == Decimal("0.00")


def test_a_running_promotion_takes_its_share():
    assert discount_for(cart(promo="AUTUMN15")) == Decimal("3.00")


def test_discounts_are_rounded_to_cents():
    assert discount_for(cart(price="9.99", promo="AUTUMN15")) == Decimal("1.50")


@pytest.mark.parametrize("price, shipping", [("49.99", "4.90"), ("50.00", "0.00"), ("80.00", "0.00")])
def test_shipping_is_free_from_fifty(price, shipping):
    assert shipping_for(cart(price=price)) == Decimal(shipping)


def test_total_adds_shipping_and_takes_the_discount_off():
    assert total(cart(promo="WELCOME5")) == Decimal("23.90")
