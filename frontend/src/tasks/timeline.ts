import type { TaskDetail } from "../api/schema";

const DATES = new Set(["retry", "schedule", "date"]);

/** A stretch of a task's life: it waited, or an attempt ran. Instants in milliseconds. */
export interface Step {
  kind: "wait" | "run";
  from: number;
  /** Null: it goes on. */
  to: number | null;
  /** Seconds that an attempt itself took, without what the store needed to note start and end. */
  took: number | null;
  title: string;
  outcome: string | null;
  error: string | null;
  stacktrace: string | null;
  instance: string | null;
}

/** One attempt. */
export interface Run {
  from: number;
  to: number | null;
  took: number | null;
  outcome: string | null;
  error: string | null;
  stacktrace: string | null;
  instance: string | null;
}

/** What happened one after another: waits lie between the attempts. */
export function steps(task: TaskDetail): Step[] {
  const found: Step[] = [];
  let at = ms(task.created_at);
  const all = runs(task);
  all.forEach((run, index) => {
    if (run.from > at) found.push(wait(at, run.from, index === 0 ? "Waited" : "Waited for retry"));
    found.push({ kind: "run", title: `Attempt ${index + 1}`, ...run });
    at = run.to ?? run.from;
  });
  if (task.status === "pending") found.push(wait(at, null, reason(task, all.length > 0)));
  else if (all.length === 0 && task.end_time) {
    found.push(wait(at, ms(task.end_time), `Never started: ${task.status}`));
  }
  return found;
}

/** Why a pending task does not run; the server's own words where it has some. */
export function reason(task: TaskDetail, hasRun: boolean): string {
  const told = task.waiting_for;
  // Of dates the page says how far away they are.
  if (told && !DATES.has(told.reason)) return `Waits: ${told.text}`;
  if (task.stranded) return "Waits: no instance has its function";
  if (task.due_at && hasRun) return "Waits for its retry";
  if (task.due_at) return "Waits for its time";
  return `Waits for its turn in queue ${task.queue}`;
}

/** Attempts in their order; the task's own fields are the last one. */
export function runs(task: TaskDetail): Run[] {
  const found: Run[] = task.attempts
    .filter((one) => !one.late && one.started_at !== null)
    .map((one) => ({
      from: ms(one.started_at ?? one.ended_at),
      to: ms(one.ended_at),
      took: one.duration,
      outcome: one.outcome,
      error: one.error,
      stacktrace: one.stacktrace,
      instance: one.instance,
    }));
  const own = task.start_time === null ? null : ms(task.start_time);
  if (own !== null && !found.some((one) => one.from === own)) {
    found.push({
      from: own,
      to: task.end_time === null ? null : ms(task.end_time),
      took: task.duration,
      outcome: task.status === "pending" ? null : task.status,
      error: task.error,
      stacktrace: task.stacktrace,
      instance: task.instance,
    });
  }
  return found.sort((one, other) => one.from - other.from);
}

function wait(from: number, to: number | null, title: string): Step {
  return {
    kind: "wait",
    from,
    to,
    took: null,
    title,
    outcome: null,
    error: null,
    stacktrace: null,
    instance: null,
  };
}

function ms(at: string): number {
  return new Date(at).getTime();
}
