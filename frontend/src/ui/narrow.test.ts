import { expect, it } from "vitest";
import { holds } from "./narrow";

it("finds each word of a text in any of the names", () => {
  const names = ["nightly-report", "shop.reports.send"];

  expect(holds("", names)).toBe(true);
  expect(holds("NIGHT", names)).toBe(true);
  expect(holds("send  night ", names)).toBe(true);
  expect(holds("send daily", names)).toBe(false);
});
