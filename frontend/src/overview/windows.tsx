import { useState } from "react";
import type { Bucket } from "../api/queries";
import type { SeriesInfo } from "../api/schema";
import { change, useAddress } from "../router";
import { Durations, Ends, Failures } from "./charts";

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
    <fieldset className="tabs">
      <legend className="unseen">Span of time</legend>
      {WINDOWS.map((one) => (
        <button
          key={one.bucket}
          type="button"
          aria-pressed={one === chosen}
          onClick={() => change({ window: one === HOUR ? null : one.bucket }, { replace: false })}
        >
          {one.title}
        </button>
      ))}
    </fieldset>
  );
}

/** What ended, what failed and how long it took; the pointer is on the same instant in all. */
export function Charts({ series, each }: { series: SeriesInfo; each: string }) {
  const [hovered, hover] = useState<number | null>(null);
  return (
    <div className="charts">
      <Ends series={series} each={each} hovered={hovered} hover={hover} />
      <Failures series={series} hovered={hovered} hover={hover} />
      <Durations series={series} hovered={hovered} hover={hover} />
    </div>
  );
}
