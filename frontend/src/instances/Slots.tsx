import type { ExecutorInfo } from "../api/schema";

/** Places to run, and how many of their slots are taken: `thread 2/6`. */
export function Slots({ of: executors }: { of: readonly ExecutorInfo[] }) {
  return executors.map(({ name, slots, running }) => (
    <div key={name} className="whole">
      {name} {running ?? (slots === null ? "" : "–")}
      {slots !== null && `/${slots}`}
    </div>
  ));
}
