import { useState } from "react";
import type { Bucket } from "../api/queries";
import type { SeriesInfo } from "../api/schema";
import { change, useAddress } from "../router";
import { Tabs } from "../ui/basics";
import { Durations, Ends, Failures, Oldest, Waits } from "./charts";

/** A span of time that charts show, in steps of one length. */
export interface Window {
  bucket: Bucket;
  title: string;
  each: string;
}

const HOUR: Window = { bucket: "minute", title: "1 hour", each: "minute" };

const WINDOWS: readonly Window[] = [
  HOUR,
  { bucket: "5min", title: "6 hours", each: "5 minutes" },
  { bucket: "hour", title: "2 days", each: "hour" },
  { bucket: "day", title: "30 days", each: "day" },
];

/** The span that the address has. */
export function useWindow(): Window {
  const { query } = useAddress();
  return WINDOWS.find((one) => one.bucket === query.get("window")) ?? HOUR;
}

/** The choice among them, which is kept in the address. */
export function WindowTabs({ chosen }: { chosen: Window }) {
  return (
    <Tabs
      label="Span of time"
      all={WINDOWS}
      chosen={(one) => one === chosen}
      choose={(one) => change({ window: one === HOUR ? null : one.bucket }, { replace: false })}
    />
  );
}

/** What ended, failed, took and waited; the pointer is on the same instant in all. */
export function Charts({ series, each }: { series: SeriesInfo; each: string }) {
  const [hovered, hover] = useState<number | null>(null);
  const given = { series, hovered, hover };
  // Of one function nobody knows it.
  const aged = series.buckets.some((one) => one.oldest_seconds !== null);
  return (
    <div className="charts">
      <Ends {...given} each={each} />
      <Failures {...given} />
      <Durations {...given} />
      <Waits {...given} />
      {aged && <Oldest {...given} />}
    </div>
  );
}
