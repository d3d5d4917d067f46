import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { ask } from "../api/client";
import { useAct } from "../api/queries";
import type { BulkDetail, BulkPreviewInfo, Routes } from "../api/schema";
import { useLive } from "../live";
import type { Query } from "../router";

export type BulkRequest = Routes["POST /bulk/preview"]["body"];

/** What they may change. */
const TOUCHED = ["tasks", "failures", "queues", "metrics"] as const;

const RUNNING_MS = 1000;
const IDLE_MS = 10_000;
const MOST = 20;

/** How many tasks it would be done to now. */
export function usePreview(request: BulkRequest) {
  return useQuery({
    queryKey: ["preview", request],
    queryFn: ({ signal }) => ask("POST /bulk/preview", { body: request, signal }),
    // Each time that somebody asks, it is counted anew.
    gcTime: 0,
    staleTime: 0,
  });
}

/** The newest actions on many tasks; looked at often while one goes on. */
export function useBulks() {
  const { paused } = useLive();
  const client = useQueryClient();
  const bulks = useQuery({
    queryKey: ["bulk"],
    queryFn: ({ signal }) => ask("GET /bulk", { query: { limit: MOST }, signal }),
    refetchInterval: ({ state }) => {
      if (paused) return false;
      return state.data?.some((one) => one.status === "running") ? RUNNING_MS : IDLE_MS;
    },
  });
  const over = bulks.data?.filter((one) => one.status !== "running").map((one) => one.bulk_id);
  const ended = over?.join(" ");
  const before = useRef(ended);
  useEffect(() => {
    // The stream tells of the newest tasks only.
    if (before.current !== undefined && before.current !== ended) {
      for (const key of TOUCHED) void client.invalidateQueries({ queryKey: [key] });
    }
    before.current = ended;
  }, [client, ended]);
  return bulks;
}

/** How many were counted before each that was begun in this tab. */
const counted = new Map<string, number>();

/** About how many it will find; undefined: nobody here has counted. */
export const expected = (bulk: BulkDetail) => counted.get(bulk.bulk_id);

export function useStart() {
  const client = useQueryClient();
  return useAct(
    async ({ request, preview }: { request: BulkRequest; preview: BulkPreviewInfo }) => {
      // What fails after it was counted is left alone: nobody has confirmed it.
      const started = await ask("POST /bulk", { body: { ...request, before: preview.at } });
      counted.set(started.bulk_id, preview.count);
      // It is shown at once, whether it has ended by the next look or not.
      client.setQueryData<BulkDetail[]>(["bulk"], (old) => [started, ...(old ?? [])]);
      return started;
    },
    ["bulk", ...TOUCHED],
  );
}

export const useStop = () =>
  useAct((id: string) => ask("POST /bulk/{bulk_id}/cancel", { path: { bulk_id: id } }), ["bulk"]);

/** The tasks that an action was asked for, as filters of the list; its own names are the store's. */
export function tasksOf(bulk: BulkDetail): Query {
  const { statuses, text, tag, batch_id, order_key, retried: _, ...rest } = bulk.filter;
  const same = Object.entries(rest).filter(([, value]) => typeof value === "string");
  return {
    ...(Object.fromEntries(same) as Query),
    q: typeof text === "string" ? text : null,
    batch: typeof batch_id === "string" ? batch_id : null,
    key: typeof order_key === "string" ? order_key : null,
    tag: Array.isArray(tag) ? tag.join(":") : null,
    // Those that are retried or cancelled have other states by then.
    status: bulk.action === "retry" && Array.isArray(statuses) ? (statuses as string[]) : null,
  };
}
