import { useMetrics } from "../api/queries";
import type { MetricsInfo, SeriesInfo } from "../api/schema";
import { brief, count, percent, span } from "../format";
import { useStream } from "../stream";
import { Head, Link, Loaded } from "../ui/basics";
import { Attention } from "./Attention";
import { Newest } from "./Newest";
import { Charts, useWindow, WindowTabs } from "./windows";

/** What is wrong now, and how it went. */
export default function Overview() {
  const window = useWindow();
  const query = { bucket: window.bucket };
  const metrics = useMetrics(query);
  useStream({
    views: {
      metrics: ["metrics", query],
      functions: ["functions"],
      queues: ["queues"],
      schedules: ["schedules"],
      instances: ["instances"],
      pauses: ["pauses"],
      newest: ["newest"],
    },
    query,
  });
  return (
    <>
      <Head title="Overview">
        <WindowTabs chosen={window} />
      </Head>
      <Loaded query={metrics}>
        {(data) => (
          <>
            <Totals metrics={data} window={window.title} />
            <div className="halves">
              <Attention />
              <Newest />
            </div>
            {data.series && <Charts series={data.series} each={window.each} />}
          </>
        )}
      </Loaded>
    </>
  );
}

function Totals({ metrics, window }: { metrics: MetricsInfo; window: string }) {
  const sum = metrics.series ? ended(metrics.series) : null;
  const ran = sum ? sum.success + sum.failed : 0;
  return (
    <ul className="totals">
      <li>
        <Link to="tasks" query={{ status: "running" }}>
          <strong>{count(metrics.running)}</strong> running
        </Link>
      </li>
      <li>
        <Link to="tasks" query={{ status: "pending" }}>
          <strong>{count(metrics.pending)}</strong> waiting
        </Link>
      </li>
      {sum && (
        <>
          <li title={count(sum.all)}>
            <strong>{brief(sum.all)}</strong> ended in {window}
          </li>
          <li>
            <Link to="tasks" query={{ status: ["failed", "interrupted", "rejected"] }}>
              <strong className={sum.failed > 0 ? "error" : undefined}>
                {ran > 0 ? percent(sum.failed / ran) : "–"}
              </strong>{" "}
              of them failed
            </Link>
          </li>
        </>
      )}
      <li>
        <strong>{span(metrics.p95)}</strong> p95 of all time
      </li>
    </ul>
  );
}

/** The ends of all buckets together. */
export function ended(series: SeriesInfo): { all: number; success: number; failed: number } {
  const sum = { all: 0, success: 0, failed: 0 };
  for (const one of series.buckets) {
    sum.success += one.success;
    sum.failed += one.failed;
    sum.all += one.success + one.failed + one.interrupted + one.cancelled + one.rejected;
  }
  return sum;
}
