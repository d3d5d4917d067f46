import { useState } from "react";
import { kept } from "../settings";

/** A filter that somebody gave a name; `query` is that of its address. */
export interface Saved {
  name: string;
  query: string;
}

const KEY = kept("filters");
const MOST = 50;

/** The filters that this browser keeps, by name. */
export function useSaved() {
  const [all, setAll] = useState(stored);
  const keep = (next: readonly Saved[]) => {
    setAll(next);
    try {
      localStorage.setItem(KEY, JSON.stringify(next));
    } catch {
      // Then they hold until the page is loaded again.
    }
  };
  return {
    all,
    save: (name: string, query: string) => keep(withOne(all, { name, query })),
    forget: (name: string) => keep(all.filter((one) => one.name !== name)),
  };
}

/** Sorted by name; one of the same name gives way, and of too many the last. */
export function withOne(all: readonly Saved[], one: Saved): Saved[] {
  const others = all.filter((other) => other.name !== one.name).slice(0, MOST - 1);
  return [...others, one].sort((a, b) => a.name.localeCompare(b.name));
}

function stored(): readonly Saved[] {
  try {
    return parsed(localStorage.getItem(KEY));
  } catch {
    return [];
  }
}

/** What is kept, without what this version cannot read. */
export function parsed(text: string | null): Saved[] {
  const found: unknown = JSON.parse(text ?? "[]");
  return Array.isArray(found) ? found.filter(isSaved).slice(0, MOST) : [];
}

function isSaved(one: unknown): one is Saved {
  const { name, query } = (one ?? {}) as Partial<Saved>;
  return typeof name === "string" && typeof query === "string";
}
