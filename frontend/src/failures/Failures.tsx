import { useState } from "react";
import type { FailureDetail } from "../api/schema";
import { BulkDialog } from "../bulk/BulkDialog";
import { bare, count, firstLine } from "../format";
import { useNow } from "../now";
import { change, useAddress } from "../router";
import { settings } from "../settings";
import { useStream } from "../stream";
import { Bars } from "../ui/bars";
import { Ago, Empty, Head, Link, Loaded, Scroll, Tabs } from "../ui/basics";
import { type FailureQuery, isNew, MOST, useFailures } from "./queries";

const WINDOWS = [
  { value: "1h", title: "Last hour" },
  { value: "1d", title: "Last day" },
  { value: "1w", title: "Last week" },
  { value: "", title: "All" },
] as const;

/** What failed, by what went wrong: each failure once, however many tasks it hit. */
export function Failures() {
  const { query } = useAddress();
  const since = query.get("since") ?? "";
  const func_name = query.get("func_name") ?? "";
  const days = query.get("trend") === "day";
  const asked: FailureQuery & Record<string, string> = { trend: days ? "day" : "hour" };
  if (since) asked.since = since;
  if (func_name) asked.func_name = func_name;
  const failures = useFailures(asked);
  useStream({ views: { failures: ["failures", asked] }, query: { ...asked } });
  return (
    <>
      <Head title="Failures">
        <Tabs
          label="That failed in"
          all={WINDOWS}
          chosen={(one) => one.value === since}
          choose={(one) => change({ since: one.value }, { replace: false })}
        />
        {settings.may.act && <Replay func_name={func_name} />}
      </Head>
      {func_name && (
        <p className="note">
          Of {func_name} only. <Link to="failures">Of all functions</Link>
        </p>
      )}
      <Loaded query={failures}>
        {(groups) =>
          groups.length === 0 ? (
            <Empty title="Nothing failed." />
          ) : (
            <Groups groups={groups} days={days} />
          )
        }
      </Loaded>
    </>
  );
}

function Groups({ groups, days }: { groups: readonly FailureDetail[]; days: boolean }) {
  return (
    <>
      <Scroll label="Failures">
        <table>
          <thead>
            <tr>
              <th>Failure</th>
              <th>
                <button
                  type="button"
                  className="plain"
                  onClick={() => change({ trend: days ? null : "day" })}
                  title={days ? "Show the last day by hours" : "Show the last 30 days"}
                >
                  {days ? "Last 30 days" : "Last 24 hours"}
                </button>
              </th>
              <th className="number">Attempts</th>
              <th className="number">In all</th>
              <th>First</th>
              <th>Last</th>
            </tr>
          </thead>
          <tbody>
            {groups.map((one) => (
              <Row key={one.group} failure={one} days={days} />
            ))}
          </tbody>
        </table>
      </Scroll>
      {groups.length === MOST && (
        <p className="quiet">The {MOST} that failed last. Choose a shorter span to see others.</p>
      )}
    </>
  );
}

function Row({ failure, days }: { failure: FailureDetail; days: boolean }) {
  const now = useNow();
  const said = failure.example?.error;
  return (
    <tr>
      <td>
        <Link
          to={`failures/${encodeURIComponent(failure.group)}`}
          className="strong"
          title={failure.kind}
        >
          {bare(failure.kind)}
        </Link>{" "}
        <span className="quiet">in {failure.func_name}</span>{" "}
        {isNew(failure, now) && <span className="badge failed">new</span>}
        {said && (
          <div className="error clipped" title={said}>
            {firstLine(said)}
          </div>
        )}
      </td>
      <td>
        <Bars
          bars={failure.trend}
          bad
          label={`${count(failure.recent)} failures of ${failure.kind} in the last ${days ? "30 days" : "24 hours"}`}
        />
      </td>
      <td className="number">{count(failure.recent)}</td>
      <td className="number">{count(failure.count)}</td>
      <td>
        <Ago at={failure.first_at} />
      </td>
      <td>
        <Ago at={failure.last_at} />
      </td>
    </tr>
  );
}

/** Retry all that failed in a span of time, whatever went wrong. */
function Replay({ func_name }: { func_name: string }) {
  const [asked, setAsked] = useState(false);
  const filter = func_name ? { func_name } : {};
  return (
    <>
      <button type="button" data-key="r" onClick={() => setAsked(true)}>
        Retry a span of time
      </button>
      {asked && (
        <BulkDialog
          action="retry"
          filter={filter}
          what={func_name ? `that failed in ${func_name}` : "that failed"}
          windows="needed"
          close={() => setAsked(false)}
        />
      )}
    </>
  );
}
