import type { TaskDetail } from "../api/schema";

export type Level = NonNullable<TaskDetail["log_levels"][number]>;

/** The lowest first. */
const LEVELS: readonly Level[] = ["debug", "info", "warning", "error", "critical"];

export interface Line {
  text: string;
  /** Null for a mark between the lines of two attempts, which is always shown. */
  level: Level | null;
}

/** What a task said, line by line. */
export function linesOf(task: Pick<TaskDetail, "logs" | "log_levels">): Line[] {
  return task.logs.map((text, index) => ({ text, level: task.log_levels[index] ?? null }));
}

/** The level that an address names; null where it names none. */
export function levelOf(text: string | null): Level | null {
  return LEVELS.find((level) => level === text) ?? null;
}

/** Lines of a level and graver ones. */
export function atLeast(lines: readonly Line[], least: Level | null): readonly Line[] {
  if (least === null) return lines;
  const from = LEVELS.indexOf(least);
  return lines.filter(({ level }) => level === null || LEVELS.indexOf(level) >= from);
}

/** How many of them are no marks. */
export function said(lines: readonly Line[]): number {
  return lines.filter(({ level }) => level !== null).length;
}

/** From which levels on one may look, each with how many lines that shows; none: all are alike. */
export function choices(
  lines: readonly Line[],
  chosen: Level | null,
): { level: Level | null; count: number }[] {
  const counts = LEVELS.map((name) => lines.filter(({ level }) => level === name).length);
  const lowest = counts.findIndex((count) => count > 0);
  const found = LEVELS.map((level, index) => ({
    level,
    count: counts.slice(index).reduce((sum, count) => sum + count, 0),
    offered: (index > lowest && (counts[index] ?? 0) > 0) || level === chosen,
  })).filter(({ offered }) => offered);
  if (found.length === 0) return [];
  return [
    { level: null, count: said(lines) },
    ...found.map(({ level, count }) => ({ level, count })),
  ];
}
