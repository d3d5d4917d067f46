import { expect, it } from "vitest";
import { parsed, withOne } from "./saved";

it("keeps filters by name, the newer for the older", () => {
  const before = [
    { name: "b", query: "q=1" },
    { name: "c", query: "q=2" },
  ];

  expect(withOne(before, { name: "a", query: "q=3" }).map((one) => one.name)).toEqual([
    "a",
    "b",
    "c",
  ]);
  expect(withOne(before, { name: "b", query: "q=4" })[0]).toEqual({ name: "b", query: "q=4" });
});

it("has an end", () => {
  const many = Array.from({ length: 50 }, (_, n) => ({ name: `n${n}`, query: "" }));

  expect(withOne(many, { name: "new", query: "" })).toHaveLength(50);
});

it.each([[null], ["{}"], ['[1, null, {"name": 2, "query": ""}]'], ['[{"name": "x"}]']])(
  "reads nothing out of %s",
  (text) => {
    expect(parsed(text)).toEqual([]);
  },
);
