import { expect, test } from "vitest";
import { parseDiff, toSplit, touches } from "./parse";

const DIFF = `diff --git a/cart/total.py b/cart/total.py
index 8c1f2e0..e41b7d9 100644
--- a/cart/total.py
+++ b/cart/total.py
@@ -35,3 +35,5 @@ def discount_for(cart):
     promotions = active()
-    promo = promotions[cart.promo_code]
+    promo = promotions.get(cart.promo_code)
+    if promo is None:
+        return 0
     return promo.rate
\\ No newline at end of file
diff --git a/old name.py b/new name.py
similarity index 100%
rename from old name.py
rename to new name.py
diff --git a/logo.png b/logo.png
new file mode 100644
Binary files /dev/null and b/logo.png differ
`;

test("reads files, counts, line numbers and headers", () => {
  const [total, renamed, binary] = parseDiff(DIFF);
  expect(total).toMatchObject({ path: "cart/total.py", change: "changed", additions: 3, deletions: 1 });
  expect(total?.hunks[0]?.header).toBe("def discount_for(cart):");
  expect(total?.hunks[0]?.lines.map((line) => [line.kind, line.old, line.new])).toEqual([
    ["context", 35, 35],
    ["delete", 36, null],
    ["add", null, 36],
    ["add", null, 37],
    ["add", null, 38],
    ["context", 37, 39],
  ]);
  expect(renamed).toMatchObject({ path: "new name.py", oldPath: "old name.py", change: "renamed" });
  expect(binary).toMatchObject({ path: "logo.png", change: "added", binary: true });
});

test("marks only the part of a pair that differs", () => {
  const lines = parseDiff(DIFF)[0]?.hunks[0]?.lines ?? [];
  const marked = lines.filter((line) => line.word).map((line) => line.text.slice(...(line.word ?? [0, 0])));
  expect(marked).toEqual(["[cart.promo_code]", ".get(cart.promo_code)"]);
});

test("a removed line that looks like a file header stays a line", () => {
  const diff = "--- a/x.sql\n+++ b/x.sql\n@@ -1,2 +1,1 @@\n--- a comment\n keep\n";
  const [file] = parseDiff(diff);
  expect(file).toMatchObject({ path: "x.sql", deletions: 1 });
  expect(file?.hunks[0]?.lines[0]).toMatchObject({ kind: "delete", text: "-- a comment" });
});

test("puts a replacement beside what it replaces", () => {
  const rows = toSplit(parseDiff(DIFF)[0]?.hunks[0]?.lines ?? []);
  expect(rows.map((row) => [row.left?.old ?? null, row.right?.new ?? null])).toEqual([
    [35, 35],
    [36, 36],
    [null, 37],
    [null, 38],
    [37, 39],
  ]);
});

test("says whether a frame's line is touched, by whole path parts", () => {
  const files = parseDiff(DIFF);
  expect(touches(files, "/srv/app/cart/total.py", 36)).toBe("line");
  expect(touches(files, "cart/total.py", 35)).toBe("file");
  expect(touches(files, "shopcart/total.py", 36)).toBeNull();
  expect(touches(files, "total.py", 36)).toBe("line");
});

test("five thousand lines are read in a blink", () => {
  const body = Array.from({ length: 5_000 }, (_, index) => `+line ${index}`).join("\n");
  const started = performance.now();
  const [file] = parseDiff(`diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -0,0 +1,5000 @@\n${body}\n`);
  expect(file?.additions).toBe(5_000);
  expect(performance.now() - started).toBeLessThan(200);
});
