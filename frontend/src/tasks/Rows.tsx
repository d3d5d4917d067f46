import { useVirtualizer } from "@tanstack/react-virtual";
import { type CSSProperties, useEffect, useRef, useSyncExternalStore } from "react";
import type { Task } from "../api/queries";
import { go } from "../router";
import { isTyping } from "../ui/typing";
import { COLUMNS, type Column, leastRem, template } from "./columns";
import { Cell, Name, Status } from "./Row";
import type { useSelection } from "./selection";

const WIDE_PX = 33;
const NARROW_PX = 62;
const AHEAD = 20;

/**
 * The rows that are in sight, and a few more.
 *
 * Without TanStack Table: the server sorts, filters and pages, rows are not grouped, and the choice
 * of columns is an array in `columns.ts`. Its row model would hold a second copy of what the query
 * has, and cost some 15 kB of the page's size.
 */
export function Rows({
  tasks,
  columns,
  selection,
  active,
  setActive,
  stale,
  more,
}: {
  tasks: readonly Task[];
  columns: readonly Column[];
  /** Null: nothing can be chosen. */
  selection: ReturnType<typeof useSelection> | null;
  /** The task that keys act on, by id: others come and go above it. */
  active: string | null;
  setActive: (id: string | null) => void;
  stale: boolean;
  /** Loads the next page; null: there is none, or it is on its way. */
  more: (() => unknown) | null;
}) {
  const box = useRef<HTMLDivElement>(null);
  const height = useSyncExternalStore(resized, heightPx);
  const virtual = useVirtualizer({
    count: tasks.length,
    getScrollElement: () => box.current,
    estimateSize: () => height,
    overscan: 12,
    getItemKey: (index) => tasks[index]?.task_id ?? index,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: it keeps the heights that it measured.
  useEffect(() => virtual.measure(), [virtual, height]);
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (more && last >= tasks.length - AHEAD) more();
  }, [last, tasks.length, more]);

  const move = (to: number) => {
    const index = Math.max(0, Math.min(tasks.length - 1, to));
    setActive(tasks[index]?.task_id ?? null);
    virtual.scrollToIndex(index);
  };
  const act = (key: string): boolean => {
    const at = tasks.findIndex((one) => one.task_id === active);
    const task = tasks[at];
    const to = target(key, at, tasks.length);
    if (to !== null) move(to);
    else if (key === "Enter" && task) go(`tasks/${task.task_id}`);
    else if (key === "x" && task && selection) selection.toggle(task);
    else return false;
    return true;
  };
  useKeys(act);

  const shown = COLUMNS.filter((one) => columns.includes(one.name));
  const idle = tasks.some((task) => Object.keys(task.tags).length > 0) ? [] : ["tags" as const];
  const grid = { gridTemplateColumns: template(columns, selection !== null, idle) };
  const least = { "--least": `${leastRem(columns, selection !== null)}rem` } as CSSProperties;
  const all = tasks.every((task) => selection?.chosen.has(task.task_id));
  return (
    <div
      ref={box}
      className={stale ? "rows stale" : "rows"}
      role="table"
      aria-label="Tasks, newest first"
      aria-rowcount={tasks.length + 1}
      tabIndex={0}
      style={least}
    >
      <div className="row titles" role="row" aria-rowindex={1} style={grid}>
        {selection && (
          <span role="columnheader">
            <input
              type="checkbox"
              aria-label="Choose all that are loaded"
              checked={all}
              onChange={() => (all ? selection.clear() : selection.add(tasks))}
            />
          </span>
        )}
        <span role="columnheader">State</span>
        <span role="columnheader">Task</span>
        {shown.map((column) => (
          <span key={column.name} role="columnheader">
            {column.title}
          </span>
        ))}
      </div>
      <div className="field" role="rowgroup" style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const task = tasks[item.index];
          if (!task) return null;
          return (
            <div
              key={item.key}
              className={task.task_id === active ? "row active" : "row"}
              role="row"
              aria-current={task.task_id === active || undefined}
              aria-rowindex={item.index + 2}
              style={{ ...grid, height: item.size, transform: `translateY(${item.start}px)` }}
            >
              {selection && (
                <span role="cell">
                  <input
                    type="checkbox"
                    aria-label={`Choose ${task.func_name} ${task.task_id}`}
                    checked={selection.chosen.has(task.task_id)}
                    onChange={() => selection.toggle(task)}
                  />
                </span>
              )}
              <span role="cell">
                <Status task={task} />
              </span>
              <span role="cell">
                <Name task={task} />
              </span>
              {shown.map((column) => (
                <span key={column.name} role="cell" className={column.name}>
                  <Cell task={task} column={column.name} />
                </span>
              ))}
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** A phone that is turned has room for another kind of row. */
const narrow = () => window.matchMedia?.("(max-width: 46rem)");
const heightPx = () => (narrow()?.matches ? NARROW_PX : WIDE_PX);

function resized(listener: () => void) {
  const query = narrow();
  query?.addEventListener("change", listener);
  return () => query?.removeEventListener("change", listener);
}

/** Keys act on the list wherever the focus is, unless somebody types or a dialog is open. */
function useKeys(act: (key: string) => boolean) {
  useEffect(() => {
    const hear = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (document.querySelector("dialog[open]")) return;
      // A link or a button that has the focus follows Enter by itself.
      const pressed = event.target instanceof Element && event.target.matches("a,button,summary");
      if (event.key === "Enter" && pressed) return;
      if (act(event.key)) event.preventDefault();
    };
    document.addEventListener("keydown", hear);
    return () => document.removeEventListener("keydown", hear);
  });
}

/** Where a key moves the active row; null: nowhere. */
function target(key: string, active: number, rows: number): number | null {
  switch (key) {
    case "ArrowDown":
      return active + 1;
    case "ArrowUp":
      return active - 1;
    case "Home":
      return 0;
    case "End":
      return rows - 1;
    default:
      return null;
  }
}
