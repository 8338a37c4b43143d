import { expect, test } from "vitest";
import { grouped, plural } from "./format";

test("thousands stand apart", () => {
  expect([0, 999, 1_000, 12_345, 1_234_567].map(grouped)).toEqual([
    "0",
    "999",
    "1\u202f000",
    "12\u202f345",
    "1\u202f234\u202f567",
  ]);
  expect([-999, -1_000].map(grouped)).toEqual(["-999", "-1\u202f000"]);
  expect([plural(1, "time"), plural(2_000, "time")]).toEqual(["1 time", "2\u202f000 times"]);
});
