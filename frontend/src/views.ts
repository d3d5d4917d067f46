import type {
  FailureDetail,
  FunctionDetail,
  InstanceDetail,
  MetricsInfo,
  PauseInfo,
  QueueInfo,
  ScheduleDetail,
  TaskInfo,
} from "./api/schema";

/** What the stream tells of beside tasks. */
export type View = keyof typeof KEYS | "audit" | "metrics";

/** What changed in a view: its new or other parts by key, and all keys where those are others. */
export interface Delta {
  changed: Record<string, unknown>;
  order: string[] | null;
}

/** By which a view's rows are known, as the server has it. */
const KEYS = {
  failures: (one: FailureDetail) => one.group,
  functions: (one: FunctionDetail) => one.func_name,
  instances: (one: InstanceDetail) => one.instance_id,
  newest: (one: TaskInfo) => one.task_id,
  pauses: (one: PauseInfo) => `${one.kind} ${one.value}`,
  queues: (one: QueueInfo) => one.name,
  schedules: (one: ScheduleDetail) => one.name,
};

/** A view with its changes; undefined: they do not fit it, so it has to be loaded. */
export function patched(view: View, old: unknown, news: Delta): unknown {
  if (view === "audit") return undefined;
  if (view === "metrics") return metrics(old as MetricsInfo, news);
  const keyOf = KEYS[view] as (row: unknown) => string;
  if (Array.isArray(old)) return rows(old, keyOf, news);
  const page = old as { items: unknown[] };
  const items = rows(page.items, keyOf, news);
  return items && { ...page, items };
}

function rows(old: readonly unknown[], keyOf: (row: unknown) => string, news: Delta) {
  const known = new Map(old.map((row) => [keyOf(row), row]));
  return ordered(known, news);
}

function ordered(known: Map<string, unknown>, news: Delta): unknown[] | undefined {
  for (const [key, row] of Object.entries(news.changed)) known.set(key, row);
  const order = news.order ?? [...known.keys()];
  return order.every((key) => known.has(key)) ? order.map((key) => known.get(key)) : undefined;
}

/** Its fields, and the buckets of its series, whose keys are when they begin. */
function metrics(old: MetricsInfo, news: Delta): MetricsInfo | undefined {
  const fields = new Map<string, unknown>(Object.entries(old));
  for (const bucket of old.series?.buckets ?? []) fields.set(bucket.start, bucket);
  const order = news.order ?? [...fields.keys()];
  const parts = ordered(fields, { ...news, order });
  if (!parts) return undefined;
  const isBucket = (key: string) => !(key in old);
  const named = order.map((key, index) => [key, parts[index]] as const);
  const next = Object.fromEntries(
    named.filter(([key]) => !isBucket(key)),
  ) as unknown as MetricsInfo;
  const buckets = named.filter(([key]) => isBucket(key)).map(([, part]) => part);
  if (next.series) next.series = { ...next.series, buckets: buckets as never };
  return next;
}
