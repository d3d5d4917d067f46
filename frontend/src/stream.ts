import {
  type InfiniteData,
  type QueryClient,
  type QueryKey,
  useQueryClient,
} from "@tanstack/react-query";
import { useEffect } from "react";
import { address, type Page } from "./api/client";
import type { TaskFilters } from "./api/queries";
import type { TaskDetail, TaskInfo } from "./api/schema";
import { live } from "./live";
import { type Delta, patched, type View } from "./views";

/** What a view follows. */
export type Topic = { task: string } | { tasks: TaskFilters } | Views;

/** Views by name, each with the key of the query that has it; and what they are asked with. */
interface Views {
  views: Partial<Record<View, QueryKey>>;
  query?: Record<string, string>;
}

interface Rows {
  changed: Partial<TaskInfo>[];
  gone: string[];
}

interface TaskNews {
  fields: Partial<TaskDetail>;
  from: number;
  lines: string[];
  levels: TaskDetail["log_levels"];
}

type Pages = InfiniteData<Page<TaskInfo[]>, string | null>;

/** After the stream could not be had: long enough for a server to come back. */
const AGAIN_MS = 5000;

/** What the server leaves out of a row, because it is null. */
const NOTHING = {
  start_time: null,
  end_time: null,
  duration: null,
  error: null,
  stacktrace: null,
  priority: null,
  executor: null,
  retry_of: null,
  retried_as: null,
  duplicate_of: null,
  instance: null,
  due_at: null,
  progress: null,
  title: null,
  summary: null,
  failure: null,
  batch_id: null,
  order_key: null,
  waiting_for: null,
};

/** Keep what a view shows up to date, unless the page stands still: then count what comes. */
export function useStream(topic: Topic): void {
  const client = useQueryClient();
  const key = JSON.stringify(topic);
  useEffect(() => follow(client, JSON.parse(key) as Topic), [client, key]);
}

function follow(client: QueryClient, topic: Topic): () => void {
  const query = queryOf(topic);
  const keys = keysOf(topic);
  const [queryKey = []] = keys;
  const follows = new Set("views" in topic ? Object.keys(topic.views) : []);
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** Something came while the page stood still. */
  let behind = false;

  const load = () => {
    if (live.get().paused) behind = true;
    else for (const key of keys) void client.invalidateQueries({ queryKey: key });
  };
  const hear = (apply: (data: string) => void) => (event: MessageEvent<string>) => {
    if (live.get().paused) {
      behind = true;
      live.miss(sizeOf(event.type, event.data));
    } else apply(event.data);
  };
  const connect = () => {
    source = new EventSource(address("/dashboard/stream", {}, query));
    source.onopen = () => live.connected(true, follows);
    source.addEventListener("hello", load);
    source.addEventListener("resync", load);
    source.addEventListener("gone", load);
    source.addEventListener(
      "rows",
      hear((data) => {
        client.setQueryData<Pages>(queryKey, (old) => old && merged(old, JSON.parse(data) as Rows));
      }),
    );
    source.addEventListener(
      "task",
      hear((data) => {
        client.setQueryData<TaskDetail>(queryKey, (old) => old && grown(old, JSON.parse(data)));
      }),
    );
    source.addEventListener(
      "views",
      hear((data) => {
        for (const [name, news] of Object.entries(JSON.parse(data) as Deltas)) {
          const key = "views" in topic ? topic.views[name as View] : undefined;
          if (key) take(client, name as View, key, news);
        }
      }),
    );
    source.onerror = () => {
      live.connected(false);
      // The browser tries again by itself unless it was refused; then the page's own request
      // finds out why, and leads to the form if somebody has to sign in.
      if (source?.readyState !== EventSource.CLOSED) return;
      load();
      timer = setTimeout(connect, AGAIN_MS);
    };
  };
  connect();
  const stop = live.subscribe(() => {
    if (behind && !live.get().paused) {
      behind = false;
      load();
    }
  });
  return () => {
    stop();
    clearTimeout(timer);
    source?.close();
    live.connected(null);
  };
}

type Deltas = Record<string, Delta>;

function queryOf(topic: Topic): Record<string, unknown> {
  if ("task" in topic) return { task_id: topic.task };
  return "tasks" in topic ? topic.tasks : { ...topic.query, view: Object.keys(topic.views) };
}

function keysOf(topic: Topic): QueryKey[] {
  if ("task" in topic) return [["task", topic.task]];
  return "tasks" in topic ? [["tasks", topic.tasks]] : Object.values(topic.views);
}

/** Put into a query's data what changed of it; where that cannot be, it is asked for. */
function take(client: QueryClient, view: View, queryKey: QueryKey, news: Delta): void {
  const old = client.getQueryData(queryKey);
  if (old === undefined) return;
  const next = patched(view, old, news);
  if (next === undefined) void client.invalidateQueries({ queryKey });
  else client.setQueryData(queryKey, next);
}

/** How many rows or lines an event has. */
function sizeOf(event: string, data: string): number {
  if (event === "views") {
    const parts = Object.values(JSON.parse(data) as Deltas);
    return parts.reduce((sum, one) => sum + Object.keys(one.changed).length, 0);
  }
  const news = JSON.parse(data) as Partial<Rows & TaskNews>;
  return news.changed?.length ?? Math.max(1, news.lines?.length ?? 0);
}

/** The pages with these rows in their places: changed ones where they were, new ones in front. */
export function merged(pages: Pages, news: Rows): Pages {
  const changed = new Map(
    news.changed.map((row) => [row.task_id, { ...NOTHING, ...row } as TaskInfo]),
  );
  const gone = new Set(news.gone);
  const next = pages.pages.map((page) => ({
    ...page,
    items: page.items
      .filter((row) => !gone.has(row.task_id))
      .map((row) => {
        const newer = changed.get(row.task_id);
        changed.delete(row.task_id);
        return newer ?? row;
      }),
  }));
  const [first] = next;
  if (first && changed.size > 0) {
    first.items = [...changed.values(), ...first.items].sort(newestFirst);
    first.total = more(first.total, changed.size);
  }
  return { ...pages, pages: next };
}

function newestFirst(one: TaskInfo, other: TaskInfo): number {
  if (one.created_at === other.created_at) return one.task_id < other.task_id ? 1 : -1;
  return one.created_at < other.created_at ? 1 : -1;
}

function more(total: string | null, by: number): string | null {
  return total === null || total.endsWith("+") ? total : String(Number(total) + by);
}

/** The task with its new fields, and the lines that came. */
export function grown(task: TaskDetail, news: TaskNews): TaskDetail {
  return {
    ...task,
    ...news.fields,
    logs: [...task.logs.slice(0, news.from), ...news.lines],
    log_levels: [...task.log_levels.slice(0, news.from), ...news.levels],
  };
}
