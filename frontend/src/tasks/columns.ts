import { useState } from "react";
import { kept } from "../settings";

/** In rem: what a column has at least, and how much of the rest it takes. */
interface Width {
  least: number;
  grows?: number;
}

export const COLUMNS = [
  { name: "tags", title: "Tags", width: { least: 4, grows: 1 } },
  { name: "queue", title: "Queue", width: { least: 5.5, grows: 0.8 } },
  { name: "created", title: "Created", width: { least: 4.75 } },
  { name: "duration", title: "Took", width: { least: 4.75 } },
  { name: "retries", title: "Retries", width: { least: 3.5 } },
  { name: "instance", title: "Instance", width: { least: 6 } },
  { name: "executor", title: "Executor", width: { least: 5 } },
  { name: "source", title: "Source", width: { least: 5 } },
  { name: "error", title: "What came of it", width: { least: 7, grows: 1.3 } },
] as const satisfies readonly { name: string; title: string; width: Width }[];

export type Column = (typeof COLUMNS)[number]["name"];

const KEY = kept("columns");
const USUAL: readonly Column[] = ["tags", "queue", "created", "duration", "retries", "error"];
/** What leaves room for the others in a small window, until somebody chooses. */
const FEW: readonly Column[] = ["queue", "created", "duration", "error"];
const usual = () => (window.innerWidth < 1120 ? FEW : USUAL);

function stored(): readonly Column[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? "null");
    if (!Array.isArray(found)) return usual();
    return COLUMNS.map((one) => one.name).filter((name) => found.includes(name));
  } catch {
    return usual();
  }
}

/** The columns that this browser's user chose. */
export function useColumns(): [readonly Column[], (name: Column, shown: boolean) => void] {
  const [chosen, setChosen] = useState(stored);
  const choose = (name: Column, shown: boolean) => {
    const next = COLUMNS.map((one) => one.name).filter((one) =>
      one === name ? shown : chosen.includes(one),
    );
    setChosen(next);
    try {
      localStorage.setItem(KEY, JSON.stringify(next));
    } catch {
      // Then it holds until the page is loaded again.
    }
  };
  return [chosen, choose];
}

const BOX: Width = { least: 1.75 };
const STATE: Width = { least: 6 };
const TASK: Width = { least: 14, grows: 2.6 };
/** Where no task has anything in it: its title. */
const IDLE: Width = { least: 2.5 };
/** Between two columns, and beside the first and the last, as the style has it. */
const GAP = 0.75;

/** Of box, state, task, then these. Those that are `idle` have nothing in them. */
function widths(
  chosen: readonly Column[],
  selectable: boolean,
  idle: readonly Column[] = [],
): Width[] {
  const shown = COLUMNS.filter((one) => chosen.includes(one.name)).map((one) =>
    idle.includes(one.name) ? IDLE : one.width,
  );
  return [...(selectable ? [BOX] : []), STATE, TASK, ...shown];
}

/** CSS's `grid-template-columns` of a row. */
export function template(
  chosen: readonly Column[],
  selectable: boolean,
  idle: readonly Column[] = [],
): string {
  return widths(chosen, selectable, idle)
    .map(({ least, grows }) => (grows ? `minmax(${least}rem, ${grows}fr)` : `${least}rem`))
    .join(" ");
}

/** Narrower than this a row does not get: what has no room is scrolled to. */
export function leastRem(chosen: readonly Column[], selectable: boolean): number {
  const all = widths(chosen, selectable);
  return all.reduce((sum, one) => sum + one.least, GAP * (all.length + 1));
}
