from datetime import date

from checkout.promotions import active_on


def test_a_promotion_runs_on_its_first_and_last_day():
    assert "AUTUMN15" in active_on(date(2026, 9, 1))
    assert "AUTUMN15" in active_on(date(2026, 11, 15))


def test_a_promotion_is_gone_the_day_after():
    assert "AUTUMN15" not in active_on(date(2026, 11, 16))
