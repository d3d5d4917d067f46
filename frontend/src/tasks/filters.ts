import type { TaskFilters } from "../api/queries";
import type { TaskStatus } from "../api/schema";
import type { Query } from "../router";

/** Ends that somebody should look at. */
export const FAILING: readonly TaskStatus[] = ["failed", "interrupted", "rejected"];

/** What people mostly look for, by name. */
export const GROUPS: readonly { title: string; statuses: readonly TaskStatus[] }[] = [
  { title: "All", statuses: [] },
  { title: "Failing", statuses: FAILING },
  { title: "Running", statuses: ["running"] },
  { title: "Waiting", statuses: ["pending"] },
  { title: "Succeeded", statuses: ["success"] },
  { title: "Cancelled", statuses: ["cancelled"] },
];

const PLAIN = [
  "func_name",
  "queue",
  "tag",
  "q",
  "source",
  "since",
  "until",
  "failure",
  "batch",
  "key",
] as const;

/** The filters that an address has; what it cannot mean is left to the server to refuse. */
export function filtersOf(query: URLSearchParams): TaskFilters {
  const found: TaskFilters = {};
  const statuses = query.getAll("status");
  if (statuses.length > 0) found.status = statuses as TaskStatus[];
  for (const name of PLAIN) {
    const value = query.get(name);
    if (value) found[name] = value;
  }
  return found;
}

/** The same for an address. */
export function toQuery(filters: TaskFilters): Query {
  const query: Query = {};
  for (const [name, value] of Object.entries(filters)) query[name] = value ?? null;
  return query;
}

/** Both choose the same states. */
export function sameStatuses(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((status) => other.includes(status));
}

/** How many filters stand beside the states. */
export function narrowed(filters: TaskFilters): number {
  return PLAIN.filter((name) => filters[name]).length;
}
