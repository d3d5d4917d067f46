import { useSyncExternalStore } from "react";
import { settings } from "./settings";

/** The page's own addresses: a path below `dashboard`, and a query. The browser keeps both. */
export interface Address {
  /** Without slashes around it; empty for the overview. */
  path: string;
  query: URLSearchParams;
}

const root = `${settings.base}/dashboard`;
const listeners = new Set<() => void>();

function tell() {
  for (const one of listeners) one();
}

window.addEventListener("popstate", tell);

/** The address of a place in the page; a parameter without a value is left out. */
export function href(path: string, query: Query = {}): string {
  const given = search(query);
  return `${root}${path ? `/${path}` : ""}${given ? `?${given}` : ""}`;
}

export type Query = Record<string, string | readonly string[] | null | undefined>;

function search(query: Query): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of typeof value === "string" ? [value] : (value ?? [])) {
      if (one !== "") params.append(name, one);
    }
  }
  return params.toString();
}

/** Go there. `replace`: the browser's back does not lead here again. */
export function go(path: string, query: Query = {}, { replace = false } = {}): void {
  const to = href(path, query);
  if (to === location.pathname + location.search) return;
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  if (!replace) window.scrollTo(0, 0);
  tell();
}

/** Other values in this address's query; what is not named stays. */
export function change(query: Query, { replace = true } = {}): void {
  go(here().path, { ...toPairs(location.search), ...query }, { replace });
}

/** A query string's values by name. */
export function toPairs(query: string): Query {
  const params = new URLSearchParams(query);
  return Object.fromEntries([...params.keys()].map((name) => [name, params.getAll(name)]));
}

/** Where the page is. */
export function here(): Address {
  const path = location.pathname.startsWith(root) ? location.pathname.slice(root.length) : "";
  return {
    path: path.replace(/^\/+|\/+$/g, ""),
    query: new URLSearchParams(location.search),
  };
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

/** Where the page is; renders again when that changes. */
export function useAddress(): Address {
  useSyncExternalStore(subscribe, () => location.pathname + location.search);
  return here();
}
