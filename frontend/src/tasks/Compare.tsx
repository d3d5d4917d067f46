import { type ReactNode, useState } from "react";
import type { TaskDetail } from "../api/schema";
import { clock, short, span, utc } from "../format";
import { useNow } from "../now";
import { Badge } from "../ui/basics";
import { diff } from "./compare";
import { type Run, runs } from "./timeline";

const SIGNS = { both: " ", first: "−", second: "+" } as const;

/** Two attempts of a task side by side. */
export function Compare({ task }: { task: TaskDetail }) {
  const all = runs(task);
  const [chosen, setChosen] = useState<readonly [number, number] | null>(null);
  if (all.length < 2) return null;
  const [left, right] = chosen ?? [all.length - 2, all.length - 1];
  const [one, other] = [all[left], all[right]];
  if (!one || !other) return null;
  const head = (label: string, at: number, set: (to: number) => void) => (
    <select aria-label={label} value={at} onChange={(event) => set(Number(event.target.value))}>
      {all.map((run, index) => (
        <option key={run.from} value={index}>
          Attempt {index + 1}
        </option>
      ))}
    </select>
  );
  return (
    <details className="card compare">
      <summary>Compare attempts</summary>
      <table>
        <thead>
          <tr>
            <td />
            <td>{head("First attempt", left, (to) => setChosen([to, right]))}</td>
            <td>{head("Second attempt", right, (to) => setChosen([left, to]))}</td>
          </tr>
        </thead>
        <tbody>
          <Line name="Started" runs={[one, other]} show={(run) => <Start run={run} />} />
          <Line name="Took" runs={[one, other]} show={took} />
          <Line
            name="Outcome"
            runs={[one, other]}
            show={(run) => run.outcome && <Badge status={run.outcome} />}
          />
          <Line
            name="Instance"
            runs={[one, other]}
            show={(run) => run.instance && <code title={run.instance}>{short(run.instance)}</code>}
          />
          <Line name="Error" runs={[one, other]} show={(run) => run.error} />
        </tbody>
      </table>
      <Tracebacks first={one.stacktrace} second={other.stacktrace} />
    </details>
  );
}

function took(run: Run): string {
  return run.to === null ? "runs" : span((run.to - run.from) / 1000);
}

function Start({ run }: { run: Run }) {
  const now = useNow();
  const from = new Date(run.from);
  return (
    <time dateTime={from.toISOString()} title={utc(from)}>
      {clock(from, now, { exact: true })}
    </time>
  );
}

function Line({
  name,
  runs: [one, other],
  show,
}: {
  name: string;
  runs: readonly [Run, Run];
  show: (run: Run) => ReactNode;
}) {
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>{show(one) || "–"}</td>
      <td>{show(other) || "–"}</td>
    </tr>
  );
}

function Tracebacks({ first, second }: { first: string | null; second: string | null }) {
  if (!first && !second) return null;
  if (!first || !second) return <p className="quiet">Only one of them has a traceback.</p>;
  const lines = diff(first, second);
  if (!lines) return <p className="quiet">Their tracebacks are the same.</p>;
  return (
    <section aria-label="Tracebacks compared">
      <pre className="diff">
        {lines.map((line, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines never move.
          <span key={index} className={line.side}>
            {`${SIGNS[line.side]} ${line.text}\n`}
          </span>
        ))}
      </pre>
    </section>
  );
}
