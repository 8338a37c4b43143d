import { expect, test } from "vitest";
import { incidentDetail } from "../../../screenshots/fixtures/incidents";
import { failedSummary, provenSummary } from "../../../screenshots/fixtures/story";
import type { IncidentDetail } from "../../api/types";
import { answers } from "./answers";

const asked = (change: Partial<IncidentDetail>) => {
  const said = answers({ ...incidentDetail, ...change }, undefined, []);
  return [said.fix.text, said.trust.text, said.you.text];
};

test("a proposed fix is reviewed; one that did not hold or was turned down is none", () => {
  const run = { ...provenSummary, merge_request_status: "OPEN" as const };
  const review = asked({ state: "fix_proposed", run });
  expect(review).toEqual([`Run ${run.number} proposed a fix`, "Yes, it is proven", "Review and merge"]);
  // Called resolved by hand and seen again, while the fix still waits.
  expect(asked({ state: "regressed", run })).toEqual(review);
  expect(asked({ state: "regressed", run: { ...run, merge_request_status: "MERGED" } })).toEqual([
    `The fix of run ${run.number} did not hold`,
    "There is no fix yet",
    "Run it again, or fix it by hand",
  ]);
  expect(asked({ state: "open", run: { ...run, merge_request_status: "CLOSED" } })).toEqual([
    "No run",
    "There is no fix yet",
    "Run it again, or fix it by hand",
  ]);
});

test("what keeps a run from starting is said before that one could be started", () => {
  const run_obstacle = { code: "no_model", detail: "no model" };
  expect(asked({ state: "open", run: failedSummary, run_obstacle })[2]).toBe("Configure a model");
  expect(
    asked({ state: "regressed", run: { ...provenSummary, merge_request_status: "MERGED" }, run_obstacle })[2],
  ).toBe("Configure a model");
});
