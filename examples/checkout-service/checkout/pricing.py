"""What a cart costs."""

from decimal import ROUND_HALF_UP, Decimal

from checkout.models import Cart
from checkout.promotions import active_on

CENT = Decimal("0.01")
SHIPPING = Decimal("4.90")
FREE_SHIPPING_FROM = Decimal("50.00")


def discount_for(cart: Cart) -> Decimal:
    """What the cart's promotion takes off."""
    if cart.promo_code is None:
        return Decimal("0.00")
    promotions = active_on(cart.placed_on)
    promotion = promotions[cart.promo_code]
    return (cart.subtotal * promotion.rate).quantize(CENT, ROUND_HALF_UP)


def shipping_for(cart: Cart) -> Decimal:
    """Free from a certain value of goods on."""
    if cart.subtotal >= FREE_SHIPPING_FROM:
        return Decimal("0.00")
    return SHIPPING


def total(cart: Cart) -> Decimal:
    """What the customer pays."""
    return cart.subtotal - discount_for(cart) + shipping_for(cart)
