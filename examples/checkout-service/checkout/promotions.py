"""Promotions and when they run."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True)
class Promotion:
    code: str
    rate: Decimal
    starts: date
    ends: date


ALL = [
    Promotion("AUTUMN15", Decimal("0.15"), date(2026, 9, 1), date(2026, 11, 15)),
    Promotion("WELCOME5", Decimal("0.05"), date(2026, 1, 1), date(2027, 12, 31)),
    Promotion("WINTER10", Decimal("0.10"), date(2026, 11, 16), date(2027, 2, 28)),
]


def active_on(day: date) -> dict[str, Promotion]:
    """The promotions that run on this day, by code."""
    return {p.code: p for p in ALL if p.starts <= day <= p.ends}
