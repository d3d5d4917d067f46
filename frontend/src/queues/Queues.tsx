import { type ReactNode, useState } from "react";
import { ask } from "../api/client";
import { useAct, useQueues } from "../api/queries";
import type { QueueChanges, QueueInfo } from "../api/schema";
import { count } from "../format";
import { settings } from "../settings";
import { useStream } from "../stream";
import { Ago, Empty, Head, Link, Loaded, OpenRow, Scroll } from "../ui/basics";
import { useNarrow } from "../ui/narrow";
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
            <Table all={wanted} />
          ) : (
            <Empty title={`No queue is named ${only}.`} />
          );
        }}
      </Loaded>
    </>
  );
}

function Table({ all }: { all: readonly QueueInfo[] }) {
  const { shown, box, more } = useNarrow(all, (one) => [one.name]);
  return (
    <>
      {box}
      <Scroll label="Queues">
        <table>
          <thead>
            <tr>
              <th>Queue</th>
              <th className="number" title="And since when the first of them is due">
                Waiting
              </th>
              <th className="number">Running</th>
              <th className="number">Ended</th>
              <th className="number">Rejected</th>
              <th title="Running tasks per process">Concurrency</th>
              <th title="Running tasks over all processes">Over all</th>
              <th title="Starts in a span of time">Rate</th>
              <th title="Waiting tasks; more are rejected">Most waiting</th>
              <th>Executors</th>
              {settings.may.act && <th />}
            </tr>
          </thead>
          <tbody>
            {shown.map((queue) => (
              <OpenRow
                key={queue.name}
                label={`What waits in queue ${queue.name}`}
                columns={COLUMNS}
                row={(disclose) => <Numbers queue={queue} disclose={disclose} />}
              >
                <Waiting queue={queue.name} />
              </OpenRow>
            ))}
          </tbody>
        </table>
      </Scroll>
      {more}
    </>
  );
}

const COLUMNS = 11;

function Numbers({ queue, disclose }: { queue: QueueInfo; disclose: ReactNode }) {
  const full = queue.max_size !== null && queue.pending >= queue.max_size;
  return (
    <tr>
      <td>
        {disclose}
        &nbsp;
        <Link to="tasks" query={{ queue: queue.name }}>
          {queue.name}
        </Link>{" "}
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
      <td className="number">{count(queue.finished)}</td>
      <td className="number">{queue.rejected ? count(queue.rejected) : ""}</td>
      <Limit queue={queue} name="concurrency" />
      <Limit queue={queue} name="global_concurrency" />
      <Limit queue={queue} name="rate_limit" />
      <Limit queue={queue} name="max_size" />
      <td className="quiet">
        {queue.executors
          .map(
            (one) => `${one.name}${one.slots === null ? "" : ` ${one.running ?? 0}/${one.slots}`}`,
          )
          .join(", ")}
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
