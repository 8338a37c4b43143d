"""What a customer wants to buy, as the shop's pages send it."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

LINES_MAX = 100
QUANTITY_MAX = 99


class BadCart(ValueError):
    """The cart breaks a rule; the message is for the customer."""


@dataclass(frozen=True)
class Line:
    sku: str
    unit_price: Decimal
    quantity: int


@dataclass(frozen=True)
class Cart:
    lines: tuple[Line, ...]
    # Saved with the cart, so it may be older than the promotion it names.
    promotion_code: str = ""


def parse(data: object) -> Cart:
    """Reads a cart from JSON: `{"lines": [{"sku", "unit_price", "quantity"}], "promotion_code"}`."""
    if not isinstance(data, dict) or not isinstance(data.get("lines"), list):
        raise BadCart("a cart has a list of lines")
    if not 1 <= len(data["lines"]) <= LINES_MAX:
        raise BadCart(f"a cart has 1 to {LINES_MAX} lines")
    code = data.get("promotion_code") or ""
    if not isinstance(code, str):
        raise BadCart("a promotion code is text")
    return Cart(tuple(parse_line(line) for line in data["lines"]), code.strip().upper())


def parse_line(data: object) -> Line:
    if not isinstance(data, dict):
        raise BadCart("a line has a sku, a unit price and a quantity")
    try:
        unit_price = Decimal(str(data.get("unit_price")))
    except InvalidOperation:
        raise BadCart(f"the price of {data.get('sku')} can't be read") from None
    quantity = data.get("quantity", 1)
    if type(quantity) is not int or not 1 <= quantity <= QUANTITY_MAX:
        raise BadCart(f"the quantity of {data.get('sku')} is 1 to {QUANTITY_MAX}")
    if not unit_price.is_finite() or unit_price < 0:
        raise BadCart(f"the price of {data.get('sku')} can't be negative")
    return Line(str(data.get("sku", "")), unit_price, quantity)
