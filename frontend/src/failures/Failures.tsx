import { useEffect, useRef, useState } from "react";
import type { FailureDetail } from "../api/schema";
import { BulkDialog } from "../bulk/BulkDialog";
import { bare, count, firstLine } from "../format";
import { useNow } from "../now";
import { change, useAddress } from "../router";
import { settings } from "../settings";
import { useStream } from "../stream";
import { Bars } from "../ui/bars";
import { Ago, Empty, Head, Link, Loaded, Tabs } from "../ui/basics";
import { usePart } from "../ui/narrow";
import { type Column, Table } from "../ui/table";
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
  const q = query.get("q") ?? "";
  const days = query.get("trend") === "day";
  const asked: FailureQuery & Record<string, string> = { trend: days ? "day" : "hour" };
  if (since) asked.since = since;
  if (func_name) asked.func_name = func_name;
  if (q) asked.q = q;
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
        {/* It would retry others than those that are shown. */}
        {settings.may.act && !q && <Replay func_name={func_name} />}
      </Head>
      {func_name && (
        <p className="note">
          Of {func_name} only. <Link to="failures">Of all functions</Link>
        </p>
      )}
      <Search text={q} />
      <Loaded query={failures}>
        {({ items, total }) =>
          items.length === 0 ? (
            <Empty title={q ? "No failure has this in its type or function." : "Nothing failed."} />
          ) : (
            <Groups groups={items} total={total} days={days} />
          )
        }
      </Loaded>
    </>
  );
}

/** Asks when it is sent: the server looks through all groups. */
function Search({ text }: { text: string }) {
  const field = useRef<HTMLInputElement>(null);
  // The browser's back; the field keeps the focus.
  useEffect(() => {
    if (field.current) field.current.value = text;
  }, [text]);
  return (
    <form
      className="filters"
      onSubmit={(event) => {
        event.preventDefault();
        change({ q: String(new FormData(event.currentTarget).get("q") ?? "").trim() });
      }}
    >
      <input
        ref={field}
        type="search"
        name="q"
        placeholder="Type or function"
        aria-label="Type or function"
      />{" "}
      <button type="submit">Search</button>
    </form>
  );
}

function columnsOf(days: boolean): readonly Column[] {
  const trend = (
    <button
      type="button"
      className="plain"
      onClick={() => change({ trend: days ? null : "day" })}
      title={days ? "Show the last day by hours" : "Show the last 30 days"}
    >
      {days ? "Last 30 days" : "Last 24 hours"}
    </button>
  );
  return [
    { title: "Failure" },
    { title: "Trend", shown: trend, kind: "spare" },
    { title: "Attempts", kind: "number" },
    { title: "In all", kind: "number spare" },
    { title: "First", kind: "spare" },
    { title: "Last" },
  ];
}

function Groups({
  groups,
  total,
  days,
}: {
  groups: readonly FailureDetail[];
  total: string | null;
  days: boolean;
}) {
  const { shown, more } = usePart(groups);
  return (
    <>
      <Table label="Failures" columns={columnsOf(days)}>
        {shown.map((one) => (
          <Row key={one.group} failure={one} days={days} />
        ))}
      </Table>
      {more}
      {groups.length === MOST && (
        <p className="quiet">
          The {MOST} that failed last{total && `, of ${total}`}. Search by type or function, or
          choose a shorter span, to see others.
        </p>
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
      <td className="spare">
        <Bars
          bars={failure.trend}
          bad
          label={`${count(failure.recent)} failures of ${failure.kind} in the last ${days ? "30 days" : "24 hours"}`}
        />
      </td>
      <td className="number">{count(failure.recent)}</td>
      <td className="number spare">{count(failure.count)}</td>
      <td className="spare">
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
