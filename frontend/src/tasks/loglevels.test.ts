import { expect, it } from "vitest";
import { atLeast, choices, levelOf, linesOf } from "./loglevels";

const lines = linesOf({
  logs: ["begun", "--- Retry 1 ---", "slow", "no disk", "seven tries", "slower"],
  log_levels: ["info", null, "warning", "critical", "debug", "warning"],
});
const texts = (found: readonly { text: string }[]) => found.map(({ text }) => text);

it("shows lines from a level on, and all marks", () => {
  expect(texts(atLeast(lines, null))).toEqual(texts(lines));
  expect(texts(atLeast(lines, "warning"))).toEqual([
    "--- Retry 1 ---",
    "slow",
    "no disk",
    "slower",
  ]);
  expect(texts(atLeast(lines, "error"))).toEqual(["--- Retry 1 ---", "no disk"]);
});

it("offers levels that there are, with as many lines as each shows", () => {
  expect(choices(lines, null)).toEqual([
    { level: null, count: 5 },
    { level: "info", count: 4 },
    { level: "warning", count: 3 },
    { level: "critical", count: 1 },
  ]);
});

it("offers nothing where all lines are alike, but the way back from a link", () => {
  const alike = linesOf({ logs: ["one", "two"], log_levels: ["info", "info"] });

  expect(choices(alike, null)).toEqual([]);
  expect(choices(alike, "error")).toEqual([
    { level: null, count: 2 },
    { level: "error", count: 0 },
  ]);
});

it("takes an address's word for a level that there is", () => {
  expect(levelOf("warning")).toBe("warning");
  expect(levelOf("loud")).toBeNull();
  expect(levelOf(null)).toBeNull();
});
