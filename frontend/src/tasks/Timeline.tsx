import { useState } from "react";
import type { TaskDetail } from "../api/schema";
import { clock, firstLine, short, span, utc } from "../format";
import { useNow } from "../now";
import { Badge } from "../ui/basics";
import { type Step, steps } from "./timeline";

/** Waits and attempts in their order, each with its share of the whole time. */
export function Timeline({ task }: { task: TaskDetail }) {
  const now = useNow();
  const all = steps(task);
  if (all.length === 0) return null;
  const begin = all[0]?.from ?? now;
  const end = Math.max(...all.map((step) => step.to ?? now), begin + 1);
  return (
    <ol className="timeline">
      {all.map((step, index) => (
        <Entry
          key={`${step.kind}-${step.from}-${step.title}`}
          step={step}
          begin={begin}
          whole={end - begin}
          now={now}
          latest={index === all.length - 1}
        />
      ))}
    </ol>
  );
}

function Entry({
  step,
  begin,
  whole,
  now,
  latest,
}: {
  step: Step;
  begin: number;
  whole: number;
  now: number;
  latest: boolean;
}) {
  const [open, setOpen] = useState(false);
  const to = Math.max(step.to ?? now, step.from);
  const left = ((step.from - begin) / whole) * 100;
  const width = Math.max(((to - step.from) / whole) * 100, 0.6);
  const from = new Date(step.from);
  // The last attempt's error has a place of its own on the page.
  const told = !latest && step.error;
  return (
    <li className={step.kind}>
      <time dateTime={from.toISOString()} title={utc(from)}>
        {clock(from, now, { exact: true })}
      </time>
      <span className="what">
        {step.title} {step.outcome && <Badge status={step.outcome} />}{" "}
        {step.instance && step.kind === "run" && (
          <code title={step.instance}>{short(step.instance)}</code>
        )}
      </span>
      <span className="long" title={beside(step, to)}>
        {span(step.took ?? (to - step.from) / 1000)}
      </span>
      <span className="track" aria-hidden="true">
        <span
          className={`bar ${step.outcome ?? ""}`}
          style={{ left: `${Math.min(left, 99.4)}%`, width: `${Math.min(width, 100 - left)}%` }}
        />
      </span>
      {told && (
        <span className="told">
          <span className="error">{firstLine(told)}</span>
          {step.stacktrace && (
            <button
              type="button"
              className="plain"
              aria-expanded={open}
              onClick={() => setOpen(!open)}
            >
              {open ? "Hide traceback" : "Traceback"}
            </button>
          )}
          {open && <pre>{step.stacktrace}</pre>}
        </span>
      )}
    </li>
  );
}

/** What the bar shows, where that is longer than the attempt itself. */
function beside(step: Step, to: number): string | undefined {
  const stored = span((to - step.from) / 1000);
  if (step.took === null || stored === span(step.took)) return undefined;
  return `From its start to its end in the store: ${stored}`;
}
