import { expect, it } from "vitest";
import { inWords, verdict } from "./Audit";

it("shows what was before and what is after", () => {
  const detail = {
    before: { concurrency: 2, paused: false },
    after: { concurrency: null, paused: false },
  };

  expect(inWords(detail)).toBe("concurrency: 2 → none");
  expect(inWords({ new_task_id: "x", changed: ["order"] })).toBe(
    'new_task_id: x, changed: ["order"]',
  );
});

it("says what became of a check", () => {
  const well = { checked: 1200, unchained: 0, head: "a", broken: null, whole: true };

  expect(verdict(well)).toBe("All 1,200 as they were written.");
  expect(verdict({ ...well, whole: false, unchained: 3 })).toBe(
    "The newest 1,200 as they were written; 3 older ones have no hash.",
  );
  expect(verdict({ ...well, broken: { entry_id: "e1", reason: "it has no hash" } })).toBe(
    "Not as it was written: entry e1, it has no hash.",
  );
});
