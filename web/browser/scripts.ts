// What the model says where the product's own recording would not do.

import { writeFileSync } from "node:fs";
import { join } from "node:path";

export const LINES = 100_000;
export const LONG_PROMPT = "Print a lot";

/** An agent that takes every discount away: its patch breaks what worked, and it says so nowhere. */
const NO_DISCOUNT = {
  name: "no discount for anybody",
  match: "AUTUMN15",
  steps: [
    {
      say: "A code that is not in the table must not raise.",
      edit: {
        path: "tests/test_pricing.py",
        old: "def test_total_adds_shipping_and_takes_the_discount_off():\n",
        new: 'def test_an_ended_promotion_gives_no_discount():\n    late = cart(price="20.00", promo="AUTUMN15", day=date(2026, 11, 20))\n    assert discount_for(late) == Decimal("0.00")\n\n\ndef test_total_adds_shipping_and_takes_the_discount_off():\n',
      },
    },
    { shell: { command: "python3 -m pytest -q -p no:cacheprovider tests/test_pricing.py" } },
    {
      edit: {
        path: "checkout/pricing.py",
        old: "    promotion = promotions[cart.promo_code]\n",
        new: '    if cart.promo_code not in promotions or cart.placed_on:\n        return Decimal("0.00")\n    promotion = promotions[cart.promo_code]\n',
      },
    },
  ],
  final:
    "## What broke\n\n`POST /checkout` raised for ended promotions.\n\n## Why\n\nThe table holds only promotions that run.\n\n## What changed\n\nAn unknown code gives no discount.",
};

/** An agent whose command prints more than anybody reads. */
const LONG_OUTPUT = {
  name: "a long output",
  match: LONG_PROMPT,
  steps: [{ say: "I print.", shell: { command: `seq 1 ${LINES}` } }],
  final: "Nothing is changed.",
};

export function writeScript(dataDir: string): string {
  const path = join(dataDir, "script.json");
  writeFileSync(path, JSON.stringify({ scripts: [LONG_OUTPUT, NO_DISCOUNT] }));
  return path;
}
