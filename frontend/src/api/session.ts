import { useEffect, useSyncExternalStore } from "react";
import { settings } from "../settings";

/** How many parts of the page have what somebody typed, which would go with the page. */
let holding = 0;
let over = false;
const listeners = new Set<() => void>();

function tell(now: boolean) {
  if (over === now) return;
  over = now;
  for (const one of listeners) one();
}

/** Where one signs in, and comes back here. */
export function signInAddress(): string {
  const next = location.pathname + location.search;
  return `${settings.base}/auth/login?next=${encodeURIComponent(next)}`;
}

/** The session is over: go and sign in, unless something typed would be lost by it. */
export function ended(): void {
  if (holding > 0) tell(true);
  else location.assign(signInAddress());
}

/** Somebody is signed in, perhaps again. */
export function goesOn(): void {
  tell(false);
}

/** Keep the page while this is on it; whether the session has ended meanwhile. */
export function useHold(): boolean {
  useEffect(() => {
    holding += 1;
    return () => {
      holding -= 1;
    };
  }, []);
  return useSyncExternalStore(subscribe, () => over);
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}
