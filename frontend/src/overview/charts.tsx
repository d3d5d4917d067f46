import type { BucketInfo, SeriesInfo } from "../api/schema";
import { brief, count, percent, span } from "../format";
import { Chart, type Line } from "./Chart";

interface Given {
  series: SeriesInfo;
  /** The bucket that the pointer is on, in any of the charts. */
  hovered: number | null;
  hover: (index: number | null) => void;
}

const other = (one: BucketInfo) => one.interrupted + one.cancelled + one.rejected;

/** How many ended, by how they did; bad ends stand at the bottom, where they can be compared. */
export function Ends({ each, ...given }: Given & { each: string }) {
  const lines: Line[] = [
    { name: "succeeded", colour: "--bar-good", of: (one) => one.success, text: count },
    { name: "others", colour: "--bar-warn", of: other, text: count },
    { name: "failed", colour: "--bar-bad", of: (one) => one.failed, text: count },
  ];
  return <Chart {...given} title={`Ended per ${each}`} lines={lines} axis={brief} stacked />;
}

export function Failures(given: Given) {
  const rate = (one: BucketInfo) => {
    const ran = one.success + one.failed;
    return ran === 0 ? null : one.failed / ran;
  };
  const lines: Line[] = [{ name: "failed", colour: "--bar-bad", of: rate, text: percent }];
  return <Chart {...given} title="Share that failed" lines={lines} axis={percent} most={0.02} />;
}

export function Durations(given: Given) {
  const lines: Line[] = [
    { name: "p99", colour: "--bar-bad", of: (one) => one.p99, text: span },
    { name: "p95", colour: "--bar-warn", of: (one) => one.p95, text: span },
    { name: "p50", colour: "--accent", of: (one) => one.p50, text: span },
  ];
  return <Chart {...given} title="Time that a task took" lines={lines} axis={span} />;
}
