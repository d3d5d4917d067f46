import { expect, it } from "vitest";
import { diff } from "./compare";

it("says nothing of equal texts", () => {
  expect(diff("a\nb", "a\nb")).toBeNull();
});

it("shows what is in one of them only, where it stands", () => {
  const found = diff("a\nline 3\nb\nc", "a\nline 4\nb\nd\nc");

  expect(found?.map(({ side, text }) => `${side} ${text}`)).toEqual([
    "both a",
    "first line 3",
    "second line 4",
    "both b",
    "second d",
    "both c",
  ]);
});

it("compares with an empty text", () => {
  expect(diff("", "a")?.map((line) => line.side)).toEqual(["first", "second"]);
});
