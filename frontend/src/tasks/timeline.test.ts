import { expect, it } from "vitest";
import type { TaskDetail } from "../api/schema";
import { steps } from "./timeline";

const task = {
  status: "success",
  queue: "default",
  created_at: "2026-11-01T12:00:00.000+00:00",
  start_time: "2026-11-01T12:00:01.000+00:00",
  end_time: "2026-11-01T12:00:01.078+00:00",
  duration: 0.018,
  attempts: [],
} as unknown as TaskDetail;

it("says of an attempt what the head of the page says", () => {
  expect(steps(task).map(({ kind, took }) => [kind, took])).toEqual([
    ["wait", null],
    ["run", 0.018],
  ]);
});

it("knows no length of what goes on", () => {
  const running: TaskDetail = { ...task, status: "running", end_time: null, duration: null };

  expect(steps(running).map(({ to, took }) => [to === null, took])).toEqual([
    [false, null],
    [true, null],
  ]);
});
