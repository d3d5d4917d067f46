import { useEffect, useRef, useState } from "react";
import { type TaskFilters, useFunctions, useMetrics, useQueues } from "../api/queries";
import type { MetricsInfo, TaskStatus } from "../api/schema";
import { brief } from "../format";
import { change } from "../router";
import { Tabs } from "../ui/basics";
import { Chips } from "./Chips";
import { GROUPS, narrowed, sameStatuses } from "./filters";

const SPANS = [
  ["", "any time"],
  ["5m", "5 minutes"],
  ["15m", "15 minutes"],
  ["1h", "1 hour"],
  ["6h", "6 hours"],
  ["1d", "1 day"],
  ["7d", "7 days"],
] as const;
const TYPING_MS = 250;

/** What the list shows; it is kept in the address. */
export function FilterBar({ filters }: { filters: TaskFilters }) {
  return (
    <search className="filters">
      <States filters={filters} />
      <div className="fields">
        <Typed
          name="q"
          label="Search"
          value={filters.q ?? ""}
          hint="Search id, function, title, tag value, error   ( / )"
          wide
        />
        <FunctionChoice value={filters.func_name ?? ""} />
        <QueueChoice value={filters.queue ?? ""} />
        <Typed name="tag" label="Tag" value={filters.tag ?? ""} hint="Tag key:value" />
        <Since value={filters.since ?? ""} />
        <Chips filters={filters} />
        {narrowed(filters) > 0 && (
          <button type="button" className="plain" onClick={clear}>
            Clear
          </button>
        )}
      </div>
    </search>
  );
}

function clear() {
  change({
    q: null,
    func_name: null,
    queue: null,
    tag: null,
    failure: null,
    batch: null,
    key: null,
    since: null,
    until: null,
    source: null,
  });
}

function States({ filters }: { filters: TaskFilters }) {
  const metrics = useMetrics();
  const chosen = filters.status ?? [];
  return (
    <Tabs
      label="States"
      all={GROUPS}
      chosen={(group) => sameStatuses(chosen, group.statuses)}
      choose={(group) => change({ status: group.statuses }, { replace: false })}
      beside={(group) => {
        const number = now(metrics.data, group.statuses);
        return number !== null && <small>{brief(number)}</small>;
      }}
    />
  );
}

/** How many there are; of ends the totals count what was deleted since, so they are left out. */
function now(metrics: MetricsInfo | undefined, statuses: readonly TaskStatus[]): number | null {
  const [status] = statuses;
  return metrics && (status === "running" || status === "pending") ? metrics[status] : null;
}

function Typed({
  name,
  label,
  value,
  hint,
  wide = false,
}: {
  name: string;
  label: string;
  value: string;
  hint: string;
  wide?: boolean;
}) {
  const [text, setText] = useState(value);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  // The address changed by itself: the browser's back, or "Clear". A space at the end stays for
  // what is typed behind it.
  useEffect(() => setText((typed) => (typed.trim() === value ? typed : value)), [value]);
  // What was typed is not for the page that one goes to meanwhile.
  useEffect(() => () => clearTimeout(timer.current), []);
  const type = (next: string) => {
    setText(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => change({ [name]: next.trim() }), TYPING_MS);
  };
  return (
    <input
      type="search"
      name={name}
      aria-label={label}
      className={wide ? "wide" : undefined}
      value={text}
      placeholder={hint}
      maxLength={256}
      spellCheck={false}
      autoComplete="off"
      onChange={(event) => type(event.target.value)}
      onKeyDown={(event) => {
        if (event.key !== "Enter") return;
        clearTimeout(timer.current);
        change({ [name]: text.trim() });
      }}
    />
  );
}

function FunctionChoice({ value }: { value: string }) {
  const functions = useFunctions();
  const names = functions.data?.map((one) => one.func_name) ?? [];
  return (
    <Choice name="func_name" label="Function" any="any function" value={value} names={names} />
  );
}

function QueueChoice({ value }: { value: string }) {
  const queues = useQueues();
  const names = queues.data?.map((one) => one.name) ?? [];
  return <Choice name="queue" label="Queue" any="any queue" value={value} names={names} />;
}

function Choice({
  name,
  label,
  any,
  value,
  names,
}: {
  name: string;
  label: string;
  any: string;
  value: string;
  names: string[];
}) {
  const all = value && !names.includes(value) ? [...names, value] : names;
  return (
    <select
      name={name}
      aria-label={label}
      value={value}
      onChange={(event) => change({ [name]: event.target.value })}
    >
      <option value="">{any}</option>
      {all.map((one) => (
        <option key={one} value={one}>
          {one}
        </option>
      ))}
    </select>
  );
}

function Since({ value }: { value: string }) {
  const known = SPANS.some(([span]) => span === value);
  return (
    <select
      name="since"
      aria-label="Added within"
      value={value}
      onChange={(event) => change({ since: event.target.value })}
    >
      {SPANS.map(([span, label]) => (
        <option key={span} value={span}>
          {label}
        </option>
      ))}
      {!known && <option value={value}>{value}</option>}
    </select>
  );
}
