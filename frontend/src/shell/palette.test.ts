import { expect, it } from "vitest";
import { found, isId } from "./palette";

const entries = ["Overview", "Tasks", "Failures", "send_invoice", "invoice_paid", "Retry"].map(
  (title) => ({ title, kind: "", run: () => {} }),
);
const titles = (text: string) => found(entries, text).map((one) => one.title);

it("offers everything to who has typed nothing", () => {
  expect(titles("  ")).toHaveLength(entries.length);
});

it("puts what begins so first, then words, parts and letters in order", () => {
  expect(titles("inv")).toEqual(["invoice_paid", "send_invoice"]);
  expect(titles("IL")).toEqual(["Failures"]);
  expect(titles("ovw")).toEqual(["Overview"]);
  expect(titles("xyz")).toEqual([]);
});

it("knows the end of an id", () => {
  expect(["4bd5da06", "01a20b09-1643-7f11-955f-a7864bd5da06"].every(isId)).toBe(true);
  expect(["4bd5", "invoices", "4bd5da0 6"].some(isId)).toBe(false);
});
