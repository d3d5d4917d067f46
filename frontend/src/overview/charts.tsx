import type { BucketInfo, SeriesInfo } from "../api/schema";
import { brief, count, percent, span } from "../format";
import { Chart, type Line } from "./Chart";

interface Given {
  series: SeriesInfo;
  /** The bucket that the pointer is on, in any of the charts. */
  hovered: number | null;
  hover: (index: number | null) => void;
}

/** Seconds that are round, in tens and then as clocks have them. */
const ROUND_SPANS = [
  ...[-6, -5, -4, -3, -2, -1, 0].flatMap((power) => [1, 2, 5].map((one) => one * 10 ** power)),
  ...[10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400],
  ...[2, 5, 10, 20, 50, 100].map((days) => days * 86_400),
];

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
  const lines = percentiles(
    (one) => one.p50,
    (one) => one.p95,
    (one) => one.p99,
  );
  return (
    <Chart {...given} title="Time that a task took" lines={lines} axis={span} steps={ROUND_SPANS} />
  );
}

/** How long tasks had been due when they started, in the bucket of the start. */
export function Waits(given: Given) {
  const lines = percentiles(
    (one) => one.wait_p50,
    (one) => one.wait_p95,
    (one) => one.wait_p99,
  );
  return (
    <Chart {...given} title="Wait for a start" lines={lines} axis={span} steps={ROUND_SPANS} />
  );
}

/** How long the first in the queues had been due, whether it has started since or not. */
export function Oldest(given: Given) {
  const oldest = (one: BucketInfo) => one.oldest_seconds;
  const lines: Line[] = [{ name: "oldest", colour: "--bar-warn", of: oldest, text: span }];
  return (
    <Chart
      {...given}
      title="Age of the oldest that waits"
      lines={lines}
      axis={span}
      steps={ROUND_SPANS}
      most={1}
    />
  );
}

function percentiles(p50: Line["of"], p95: Line["of"], p99: Line["of"]): Line[] {
  return [
    { name: "p99", colour: "--bar-bad", of: p99, text: span },
    { name: "p95", colour: "--bar-warn", of: p95, text: span },
    { name: "p50", colour: "--accent", of: p50, text: span },
  ];
}
