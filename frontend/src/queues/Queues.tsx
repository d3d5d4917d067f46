import { type ReactNode, useEffect, useRef, useState } from "react";
import { ask } from "../api/client";
import { useAct, useQueues } from "../api/queries";
import type { QueueChanges, QueueInfo } from "../api/schema";
import { count } from "../format";
import { Slots } from "../instances/Slots";
import { settings } from "../settings";
import { useStream } from "../stream";
import { Ago, Empty, Head, Link, Loaded } from "../ui/basics";
import { useNarrow } from "../ui/narrow";
import { type Column, OpenRow, Table, withActs } from "../ui/table";
import { toast } from "../ui/toasts";
import { Acts } from "./Acts";
import { Pauses } from "./Pauses";
import { Waiting } from "./Waiting";

/**
 * Every queue: what waits and runs, its limits, and what may be done to it.
 *
 * @param only The queue of this name alone; null: all.
 */
export function Queues({ only = null }: { only?: string | null }) {
  const queues = useQueues();
  useStream({ views: { queues: ["queues"], pauses: ["pauses"] } });
  return (
    <>
      <Head title={only === null ? "Queues" : `Queue ${only}`}>
        {only !== null && <Link to="queues">All queues</Link>}
      </Head>
      {only === null && <Pauses />}
      <Loaded query={queues}>
        {(all) => {
          const wanted = only === null ? all : all.filter((one) => one.name === only);
          return wanted.length > 0 ? (
            <All all={wanted} />
          ) : (
            <Empty title={`No queue is named ${only}.`} />
          );
        }}
      </Loaded>
    </>
  );
}

const COLUMNS: readonly Column[] = [
  { title: "Queue" },
  { title: "Waiting", kind: "number", hint: "And since when the first of them is due" },
  { title: "Running", kind: "number" },
  { title: "Ended", kind: "number", hint: "And how many were rejected" },
  { title: "Concurrency", hint: "Running tasks per process" },
  { title: "Over all", hint: "Running tasks over all processes" },
  { title: "Rate", hint: "Starts in a span of time" },
  { title: "Most waiting", hint: "Waiting tasks; more are rejected" },
  { title: "Executors" },
];

function All({ all }: { all: readonly QueueInfo[] }) {
  const columns = withActs(COLUMNS);
  const { shown, box, more } = useNarrow(all, (one) => [one.name]);
  return (
    <>
      {box}
      <Table label="Queues" columns={columns}>
        {shown.map((queue) => (
          <OpenRow
            key={queue.name}
            label={`What waits in queue ${queue.name}`}
            columns={columns.length}
            row={(disclose) => <Numbers queue={queue} disclose={disclose} />}
          >
            <Waiting queue={queue.name} />
          </OpenRow>
        ))}
      </Table>
      {more}
    </>
  );
}

function Numbers({ queue, disclose }: { queue: QueueInfo; disclose: ReactNode }) {
  const full = queue.max_size !== null && queue.pending >= queue.max_size;
  return (
    <tr>
      <td>
        <span className="disclosed">
          {disclose}
          <Link to="tasks" query={{ queue: queue.name }}>
            {queue.name}
          </Link>
        </span>
        {queue.paused && (
          <span className="badge paused" title="Nothing more of it starts">
            paused{queue.running > 0 && `, ${count(queue.running)} still run`}
          </span>
        )}
        {queue.draining && (
          <span className="badge paused" title="It takes nothing new">
            {queue.drained ? "drained" : "draining"}
          </span>
        )}
        {full && <span className="badge failed">full</span>}
      </td>
      <td className="number">
        <Link to="tasks" query={{ queue: queue.name, status: "pending" }}>
          {count(queue.pending)}
        </Link>
        {queue.waiting_since && (
          <div className="quiet">
            <Ago at={queue.waiting_since} />
          </div>
        )}
      </td>
      <td className="number">
        <Link to="tasks" query={{ queue: queue.name, status: "running" }}>
          {count(queue.running)}
        </Link>
      </td>
      <td className="number">
        {count(queue.finished)}
        {queue.rejected ? <div className="error">{count(queue.rejected)} rejected</div> : null}
      </td>
      <Limit queue={queue} name="concurrency" />
      <Limit queue={queue} name="global_concurrency" />
      <Limit queue={queue} name="rate_limit" />
      <Limit queue={queue} name="max_size" />
      <td className="quiet">
        <Slots of={queue.executors} />
      </td>
      {settings.may.act && (
        <td className="acts">
          <Acts queue={queue} />
        </td>
      )}
    </tr>
  );
}

const TITLES = {
  concurrency: "concurrency",
  global_concurrency: "concurrency over all processes",
  rate_limit: "rate, such as 100/m",
  max_size: "most waiting tasks",
} as const;

type LimitName = keyof typeof TITLES;

/** A limit, changed in its place; empty is none. */
function Limit({ queue, name }: { queue: QueueInfo; name: LimitName }) {
  const [text, setText] = useState<string | null>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const edited = useRef(false);
  // It stands there again: who has typed goes on from it.
  useEffect(() => {
    if (edited.current && text === null) opener.current?.focus();
    edited.current = text !== null;
  }, [text]);
  const value = queue[name] ?? null;
  const act = useAct(
    (changes: QueueChanges) =>
      ask("PATCH /queues/{name}", { path: { name: queue.name }, body: changes }),
    ["queues"],
  );
  const label = `${TITLES[name]} of queue ${queue.name}`;
  const shown = value === null ? <span className="quiet">none</span> : value;
  if (!settings.may.configure) return <td>{shown}</td>;
  if (text === null) {
    return (
      <td>
        <button
          ref={opener}
          type="button"
          className="value"
          aria-label={`${value ?? "none"}, change ${label}`}
          onClick={() => setText(value === null ? "" : String(value))}
        >
          {shown}
        </button>
      </td>
    );
  }
  const send = () => {
    const given = text.trim();
    act.mutate(changed(name, given), {
      onError: (error) => toast(error.message, { bad: true }),
      onSuccess: () => setText(null),
    });
  };
  return (
    <td>
      <form
        className="inplace"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <input
          // biome-ignore lint/a11y/noAutofocus: somebody has just asked for it.
          autoFocus
          aria-label={label}
          inputMode={name === "rate_limit" ? "text" : "numeric"}
          placeholder="none"
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => event.key === "Escape" && setText(null)}
        />
        <button type="submit" disabled={act.isPending}>
          Set
        </button>
        <button type="button" className="plain" onClick={() => setText(null)}>
          Leave
        </button>
      </form>
    </td>
  );
}

/** What was typed, for the server to judge: what is no number stays text, and it says so. */
export function changed(name: LimitName, text: string): QueueChanges {
  if (text === "") return { [name]: null };
  const number = Number(text);
  return { [name]: name === "rate_limit" || !Number.isFinite(number) ? text : number };
}
