import { expect, test } from "vitest";
import { emptyInbox, inbox, longInbox } from "../../../screenshots/fixtures/inbox";
import { headline, isEmpty, itemSaid, more, subline } from "./inbox";

test("what is cut off counts as well", () => {
  expect([headline(inbox), more(inbox, "needs_you")]).toEqual(["2 things need you", 0]);
  expect([headline(longInbox), more(longInbox, "needs_you")]).toEqual(["35 things need you", 5]);
  expect([headline(emptyInbox), isEmpty(emptyInbox)]).toEqual(["Nothing needs you", true]);
});

test("a fix that is ready need not be proven", () => {
  const [ready] = inbox.ready_to_merge;
  const overridden = {
    ...emptyInbox,
    ready_to_merge: ready ? [{ ...ready, state: "overridden", run: null }] : [],
    totals: { ...emptyInbox.totals, ready_to_merge: 1 },
  };
  expect(headline(overridden)).toBe("1 fix is ready to merge");
  expect(subline(overridden)).toBe("No run is working, 1 fix waits for a merge.");
  expect(overridden.ready_to_merge.map((item) => itemSaid(item).word)).toEqual(["Overridden"]);
});
