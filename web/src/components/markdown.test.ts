import { expect, test } from "vitest";
import { blocks } from "./markdown";

test("paragraphs, lists, code and headings", () => {
  const text =
    "One\nline.\n\n- first\n  goes on\n- second\n\n```py\nx = '<b>'\n\ny\n```\n## Head\n1. a\n2) b";
  expect(blocks(text)).toEqual([
    { kind: "paragraph", text: "One line." },
    { kind: "list", ordered: false, items: ["first goes on", "second"] },
    { kind: "code", text: "x = '<b>'\n\ny" },
    { kind: "heading", text: "Head" },
    { kind: "list", ordered: true, items: ["a", "b"] },
  ]);
});

test("an unclosed fence ends with the text", () => {
  expect(blocks("```\nabc")).toEqual([{ kind: "code", text: "abc" }]);
});
