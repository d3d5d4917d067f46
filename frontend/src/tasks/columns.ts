import { useState } from "react";

export const COLUMNS = [
  { name: "tags", title: "Tags", width: "minmax(4rem, 1fr)" },
  { name: "queue", title: "Queue", width: "minmax(4.5rem, 0.4fr)" },
  { name: "created", title: "Created", width: "5.5rem" },
  { name: "duration", title: "Took", width: "5.5rem" },
  { name: "retries", title: "Retries", width: "4rem" },
  { name: "instance", title: "Instance", width: "6rem" },
  { name: "executor", title: "Executor", width: "5rem" },
  { name: "source", title: "Source", width: "5rem" },
  { name: "error", title: "What came of it", width: "minmax(8rem, 1.3fr)" },
] as const;

export type Column = (typeof COLUMNS)[number]["name"];

const KEY = "taskflow.columns";
const USUAL: readonly Column[] = ["tags", "queue", "created", "duration", "retries", "error"];

function stored(): readonly Column[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "null");
    if (!Array.isArray(kept)) return USUAL;
    return COLUMNS.map((one) => one.name).filter((name) => kept.includes(name));
  } catch {
    return USUAL;
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

/** CSS's `grid-template-columns` of a row: box, state, task, then these. */
export function template(chosen: readonly Column[], selectable: boolean): string {
  const widths = COLUMNS.filter((one) => chosen.includes(one.name)).map((one) => one.width);
  return [...(selectable ? ["1.75rem"] : []), "6.5rem", "minmax(15rem, 1.8fr)", ...widths].join(
    " ",
  );
}
