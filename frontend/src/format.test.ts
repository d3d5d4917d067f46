import { describe, expect, it } from "vitest";
import { away, brief, clock, percent, plural, short, span } from "./format";

describe("span", () => {
  it.each([
    [null, "–"],
    [0, "0 s"],
    [0.000_02, "< 1 ms"],
    [0.0042, "4.2 ms"],
    [0.12, "120 ms"],
    [0.9996, "1 s"],
    [3.456, "3.46 s"],
    [59.96, "1 m"],
    [125, "2 m 05 s"],
    [3600, "1 h"],
    [11_400, "3 h 10 m"],
    [90_000, "1 d 01 h"],
    [-2, "−2 s"],
  ])("%s is %s", (seconds, text) => {
    expect(span(seconds)).toBe(text);
  });
});

it("says how far away an instant is", () => {
  const at = new Date("2026-03-01T12:00:00Z");
  const now = at.getTime();

  expect(away(at, now + 500)).toBe("now");
  expect(away(at, now + 61_000)).toBe("1 m ago");
  expect(away(at, now - 7_300_000)).toBe("in 2 h");
});

it("shows the date only where it is not today", () => {
  const at = new Date(2026, 2, 1, 9, 5, 7, 42);

  expect(clock(at, at.getTime())).toBe("09:05:07");
  expect(clock(at, at.getTime(), { exact: true })).toBe("09:05:07.042");
  expect(clock(at, new Date(2026, 4, 1).getTime())).toBe("03-01 09:05:07");
  expect(clock(at, new Date(2027, 4, 1).getTime())).toBe("2026-03-01 09:05:07");
});

it("never rounds a rate up to all or down to none", () => {
  expect([percent(1), percent(0.9996), percent(0.4567), percent(0.0001), percent(0)]).toEqual([
    "100 %",
    "> 99.9 %",
    "45.7 %",
    "< 0.1 %",
    "0 %",
  ]);
});

it("shortens numbers and ids", () => {
  expect([brief(9999), brief(12_345), brief(123_456), brief(2_500_000)]).toEqual([
    "9,999",
    "12.3k",
    "123k",
    "2.5M",
  ]);
  expect(short("01a20b09-1643-7f11-955f-a7864bd5da06")).toBe("4bd5da06");
  expect([plural(1, "task"), plural(1200, "task")]).toEqual(["1 task", "1,200 tasks"]);
});
