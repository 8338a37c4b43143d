from decimal import Decimal

from checkout.server import checkout, read_cart

BODY = b'{"id": "c-9", "placed_on": "2026-11-20", "promo_code": "WINTER10", "lines": [{"sku": "mug", "price": "12.50", "quantity": 4}]}'


def test_a_cart_is_read_from_json():
    cart = read_cart(BODY)
    assert cart.subtotal == Decimal("50.00")
    assert cart.promo_code == "WINTER10"


def test_checkout_answers_with_discount_and_total():
    answer = checkout(read_cart(BODY))
    assert answer == {"id": "c-9", "discount": "5.00", "total": "45.00", "notices": []}
