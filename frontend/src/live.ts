import { useSyncExternalStore } from "react";

/** Whether the page follows what happens, or stands still because somebody reads it. */
interface Live {
  paused: boolean;
  /** Events that came while it stood still. */
  missed: number;
  /** The stream answers; null: there is none on this page. */
  connected: boolean | null;
  /** Of the queries whose keys begin so the stream tells; nobody has to ask. */
  follows: ReadonlySet<string>;
}

const NOTHING: ReadonlySet<string> = new Set();

let state: Live = { paused: false, missed: 0, connected: null, follows: NOTHING };
const listeners = new Set<() => void>();

function set(next: Partial<Live>) {
  state = { ...state, ...next };
  for (const one of listeners) one();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

export const live = {
  subscribe,
  get: () => state,
  pause: () => set({ paused: true, missed: 0 }),
  resume: () => set({ paused: false, missed: 0 }),
  miss: (events: number) => set({ missed: state.missed + events }),
  /** Whether the stream answers, and of what it tells. */
  connected: (connected: boolean | null, follows = NOTHING) => {
    if (connected !== state.connected) set({ connected, follows });
  },
};

export function useLive(): Live {
  return useSyncExternalStore(subscribe, live.get);
}
