import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";

// Of all dashboards of an origin: who wants it dark wants that everywhere.
const KEY = "taskflow.theme";
const listeners = new Set<() => void>();

function stored(): Theme {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === "light" || kept === "dark" ? kept : "system";
  } catch {
    return "system";
  }
}

let theme = stored();

/** Light or dark as the page shows it now. */
export function isDark(): boolean {
  if (theme !== "system") return theme === "dark";
  return window.matchMedia?.("(prefers-color-scheme: dark)").matches ?? false;
}

export function setTheme(next: Theme): void {
  theme = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // A browser that keeps nothing shows it all the same, until it is loaded again.
  }
  apply();
  for (const one of listeners) one();
}

export function apply(): void {
  const root = document.documentElement;
  if (theme === "system") root.removeAttribute("data-theme");
  else root.setAttribute("data-theme", theme);
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  const system = window.matchMedia?.("(prefers-color-scheme: dark)");
  system?.addEventListener("change", listener);
  return () => {
    listeners.delete(listener);
    system?.removeEventListener("change", listener);
  };
}

export function useTheme(): { theme: Theme; dark: boolean } {
  const dark = useSyncExternalStore(subscribe, isDark);
  const chosen = useSyncExternalStore(subscribe, () => theme);
  return { theme: chosen, dark };
}
