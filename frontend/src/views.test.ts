import { expect, it } from "vitest";
import type { MetricsInfo } from "./api/schema";
import { patched } from "./views";

const queue = (name: string, pending: number) => ({ name, pending });

it("puts changed rows where they were, and others in the order that is told", () => {
  const old = [queue("a", 1), queue("b", 2)];

  expect(patched("queues", old, { changed: { b: queue("b", 3) }, order: null })).toEqual([
    queue("a", 1),
    queue("b", 3),
  ]);
  expect(patched("queues", old, { changed: { c: queue("c", 0) }, order: ["c", "a"] })).toEqual([
    queue("c", 0),
    queue("a", 1),
  ]);
});

it("has to be loaded where it lacks a row", () => {
  expect(patched("queues", [queue("a", 1)], { changed: {}, order: ["a", "z"] })).toBeUndefined();
});

it("knows rows by names that objects have of their own", () => {
  const changed = JSON.parse('{"__proto__": {"name": "__proto__", "pending": 1}}');

  expect(patched("queues", [], { changed, order: ["__proto__"] })).toEqual([queue("__proto__", 1)]);
});

it("keeps what stands beside the rows of a page", () => {
  const old = { items: [queue("a", 1)], cursor: null, total: "1" };

  expect(patched("schedules", old, { changed: { a: queue("a", 2) }, order: null })).toEqual({
    ...old,
    items: [queue("a", 2)],
  });
});

it("moves a series on", () => {
  const old = {
    total: 1,
    series: {
      bucket: "minute",
      since: "1",
      until: "3",
      buckets: [{ start: "t1" }, { start: "t2" }],
    },
  } as unknown as MetricsInfo;

  const series = { bucket: "minute", since: "2", until: "4" };
  const changed = { series, t2: { start: "t2", failed: 1 }, t3: { start: "t3" } };
  expect(patched("metrics", old, { changed, order: ["total", "series", "t2", "t3"] })).toEqual({
    total: 1,
    series: { ...series, buckets: [{ start: "t2", failed: 1 }, { start: "t3" }] },
  });
  const filled = patched("metrics", old, {
    changed: { t2: { start: "t2", failed: 2 } },
    order: null,
  });
  expect((filled as MetricsInfo).series?.buckets).toEqual([
    { start: "t1" },
    { start: "t2", failed: 2 },
  ]);
});
