import { expect, it } from "vitest";
import type { TaskDetail, TaskInfo } from "./api/schema";
import { grown, merged } from "./stream";

const row = (id: number, status: TaskInfo["status"] = "running"): Partial<TaskInfo> => ({
  task_id: `t${id}`,
  created_at: `2026-01-01T00:00:0${id}Z`,
  status,
});

const pages = (...lists: Partial<TaskInfo>[][]) => ({
  pages: lists.map((items) => ({ items: items as TaskInfo[], cursor: "c", total: "4" })),
  pageParams: lists.map(() => null),
});

const ids = (found: ReturnType<typeof merged>) =>
  found.pages.map((page) => page.items.map((one) => `${one.task_id} ${one.status}`));

it("puts new rows in front, and changed ones where they were", () => {
  const found = merged(pages([row(4), row(3)], [row(2), row(1)]), {
    changed: [row(5), row(2, "success")],
    gone: ["t3"],
  });

  expect(ids(found)).toEqual([
    ["t5 running", "t4 running"],
    ["t2 success", "t1 running"],
  ]);
  expect(found.pages[0]?.total).toBe("5");
});

it("says null where the server left it out", () => {
  const [first] = merged(pages([]), { changed: [row(1)], gone: [] }).pages;

  expect(first?.items[0]?.error).toBeNull();
});

it("goes on with a log where it was, or anew", () => {
  const task: Partial<TaskDetail> = {
    logs: ["a", "b"],
    log_levels: ["info", null],
    status: "running",
  };
  const more = { lines: ["c"], levels: ["error" as const] };

  expect(grown(task as TaskDetail, { fields: {}, from: 2, ...more })).toEqual({
    logs: ["a", "b", "c"],
    log_levels: ["info", null, "error"],
    status: "running",
  });
  expect(grown(task as TaskDetail, { fields: { status: "failed" }, from: 0, ...more })).toEqual({
    logs: ["c"],
    log_levels: ["error"],
    status: "failed",
  });
});
