import {
  keepPreviousData,
  QueryClient,
  type QueryKey,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useLive } from "../live";
import { ApiError, ask, askPage } from "./client";
import type { MetricsInfo, Routes, TaskDetail, TaskInfo } from "./schema";

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 1000,
      gcTime: 60_000,
      // A page that was paused stays so when it gets the focus.
      refetchOnWindowFocus: false,
      retry: (times, error) => times < 2 && error instanceof ApiError && error.status === 0,
    },
  },
});

export type TaskFilters = Omit<Routes["GET "]["query"], "cursor" | "limit" | "brief">;
export type Bucket = NonNullable<Routes["GET /metrics"]["query"]["bucket"]>;

export const PAGE_SIZE = 100;

/** Tasks that match, page by page, newest first. */
export function useTasks(filters: TaskFilters) {
  return useInfiniteQuery({
    queryKey: ["tasks", filters],
    queryFn: ({ pageParam, signal }) =>
      askPage("GET ", {
        query: { ...filters, limit: PAGE_SIZE, brief: true, cursor: pageParam },
        signal,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.cursor,
    placeholderData: keepPreviousData,
  });
}

/** One task with its history. */
export function useTask(id: string) {
  return useQuery({
    queryKey: ["task", id],
    queryFn: ({ signal }) => ask("GET /{task_id}", { path: { task_id: id }, signal }),
  });
}

/** Something that is asked for again every few seconds, unless the page stands still or is told. */
export function useLook<T>(
  key: QueryKey,
  seconds: number,
  look: (signal: AbortSignal) => Promise<T>,
) {
  const { paused, follows } = useLive();
  const still = paused || follows.has(String(key[0]));
  return useQuery({
    queryKey: key,
    queryFn: ({ signal }) => look(signal),
    refetchInterval: still ? false : seconds * 1000,
    placeholderData: keepPreviousData,
  });
}

export function useMetrics(query: Routes["GET /metrics"]["query"] = {}, seconds = 5) {
  return useLook<MetricsInfo>(["metrics", query], seconds, (signal) =>
    ask("GET /metrics", { query, signal }),
  );
}

export const useQueues = () =>
  useLook(["queues"], 3, (signal) => ask("GET /queues", { query: {}, signal }));

export const useFunctions = () =>
  useLook(["functions"], 10, (signal) => ask("GET /functions", { query: {}, signal }));

export const useInstances = () =>
  useLook(["instances"], 5, (signal) => ask("GET /instances", { query: {}, signal }));

export const usePauses = () =>
  useLook(["pauses"], 5, (signal) => ask("GET /pauses", { query: {}, signal }));

export const useSchedules = () =>
  useLook(["schedules"], 5, (signal) =>
    askPage("GET /schedules", { query: { limit: 1000 }, signal }),
  );

/** Why something is not well; an unready instance answers 503 with the same words. */
export const useHealth = () =>
  useLook(["health"], 10, (signal) => ask("GET /health", { query: {}, signal }));

export function useAudit() {
  return useInfiniteQuery({
    queryKey: ["audit"],
    queryFn: ({ pageParam, signal }) =>
      askPage("GET /audit", { query: { limit: PAGE_SIZE, cursor: pageParam }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.cursor,
  });
}

const AUDIT_MOST = 10_000;

export const verifyAudit = () => ask("GET /audit/verify", { query: { most: AUDIT_MOST } });

/** An act; what it may have changed is asked for again. */
export function useAct<T, A>(act: (given: A) => Promise<T>, touched: string[]) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSettled: () =>
      Promise.all(touched.map((key) => client.invalidateQueries({ queryKey: [key] }))),
  });
}

/** The parameters of a task's function, with its arguments. */
export function useArguments(id: string) {
  return useQuery({
    queryKey: ["arguments", id],
    queryFn: ({ signal }) => ask("GET /{task_id}/arguments", { path: { task_id: id }, signal }),
    gcTime: 0,
  });
}

const RELATED = 8;

/** What has to do with a task; each list without the task itself. */
export function useRelated(task: TaskDetail) {
  const { task_id: id, retry_of, retried_as, batch_id: batch, order_key: key } = task;
  const { func_name, source } = task;
  return useQuery({
    queryKey: ["related", id, retried_as],
    queryFn: async ({ signal }) => {
      const list = async (filters: TaskFilters) => {
        const query = { ...filters, limit: RELATED, brief: true };
        const found = await ask("GET ", { query, signal });
        return found.filter((one) => one.task_id !== id);
      };
      const [earlier, later, ofKey, members, scheduled] = await Promise.all([
        chain(retry_of, "retry_of", signal),
        chain(retried_as, "retried_as", signal),
        key ? list({ key }) : [],
        batch ? list({ batch }) : [],
        source === "scheduled" ? list({ func_name, source }) : [],
      ]);
      return { retries: [...earlier.reverse(), ...later], ofKey, batch: members, scheduled };
    },
  });
}

/** Tasks that lead from one to the next; one that was deleted ends it. */
async function chain(
  from: string | null,
  by: "retry_of" | "retried_as",
  signal: AbortSignal,
): Promise<Task[]> {
  const found: Task[] = [];
  for (let id = from; id && found.length < RELATED; ) {
    const next: Task | null = await ask("GET /{task_id}", { path: { task_id: id }, signal }).catch(
      (error) => {
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      },
    );
    if (!next) break;
    found.push(next);
    id = next[by];
  }
  return found;
}

/** `changed` is the JSON of the arguments that are not to stay as they were. */
export const runAgain = (id: string, changed: string) =>
  ask("POST /{task_id}/run-again", { path: { task_id: id }, json: `{"arguments":${changed}}` });

export const retryTask = (id: string) => ask("POST /{task_id}/retry", { path: { task_id: id } });
export const cancelTask = (id: string) => ask("POST /{task_id}/cancel", { path: { task_id: id } });

export type Task = TaskInfo;

const ENDED = new Set(["success", "failed", "interrupted", "cancelled", "rejected"]);

export const canCancel = (task: Task) => !ENDED.has(task.status);
export const canRetry = (task: Task) =>
  ENDED.has(task.status) && task.status !== "success" && task.retried_as === null;
export const hasEnded = (task: Task) => ENDED.has(task.status);
