import { type ReactNode, useSyncExternalStore } from "react";

interface Toast {
  id: number;
  text: ReactNode;
  bad: boolean;
}

const SHOWN_MS = 6000;
let toasts: readonly Toast[] = [];
let last = 0;
const listeners = new Set<() => void>();

function set(next: readonly Toast[]) {
  toasts = next;
  for (const one of listeners) one();
}

/** Say shortly what came of an act. */
export function toast(text: ReactNode, { bad = false } = {}): void {
  last += 1;
  const id = last;
  set([...toasts.slice(-3), { id, text, bad }]);
  setTimeout(() => set(toasts.filter((one) => one.id !== id)), bad ? 2 * SHOWN_MS : SHOWN_MS);
}

export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((one) => (
        <div key={one.id} className={one.bad ? "toast bad" : "toast"}>
          <span>{one.text}</span>
          <button
            type="button"
            className="plain"
            aria-label="Dismiss"
            onClick={() => set(toasts.filter((other) => other.id !== one.id))}
          >
            ×
          </button>
        </div>
      ))}
    </div>
  );
}
