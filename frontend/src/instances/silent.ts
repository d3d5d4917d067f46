import { useEffect, useState } from "react";
import type { InstanceDetail } from "../api/schema";
import { useNow } from "../now";

/** Longer than two heartbeats, and the time between two looks. */
const SILENT_MS = 15_000;

/**
 * Since when, in seconds, instances say nothing: their counter stands still. Told by this page's
 * own clock, so only after it has watched for a while; others' clocks may differ.
 */
export function useSilent(
  instances: readonly InstanceDetail[] | undefined,
): ReadonlyMap<string, number> {
  const now = useNow();
  const [heard, setHeard] = useState<ReadonlyMap<string, Heard>>(new Map());
  useEffect(() => {
    if (instances) setHeard((before) => listened(before, instances, Date.now()));
  }, [instances]);
  const found = new Map<string, number>();
  for (const one of instances ?? []) {
    const last = heard.get(one.instance_id);
    // Where a look takes long, or the page stood still, nobody was listening.
    if (last && last.looked - last.at > SILENT_MS) {
      found.set(one.instance_id, Math.round((now - last.at) / 1000));
    }
  }
  return found;
}

interface Heard {
  heartbeats: number;
  /** When the counter was last seen to have grown, and when it was looked at. */
  at: number;
  looked: number;
}

/** What is known after another look. */
export function listened(
  before: ReadonlyMap<string, Heard>,
  instances: readonly InstanceDetail[],
  now: number,
): ReadonlyMap<string, Heard> {
  return new Map(
    instances.map((one) => {
      const last = before.get(one.instance_id);
      const silent = last && last.heartbeats === one.heartbeats && now - last.looked < SILENT_MS;
      const at = silent ? last.at : now;
      return [one.instance_id, { heartbeats: one.heartbeats, at, looked: now }];
    }),
  );
}
