import { useFunctions } from "../api/queries";
import type { FunctionDetail, FunctionSettings } from "../api/schema";
import { brief, count, percent, span } from "../format";
import { useStream } from "../stream";
import { Empty, Head, Link, Loaded } from "../ui/basics";
import { useNarrow } from "../ui/narrow";
import { type Column, Table } from "../ui/table";

const COLUMNS: readonly Column[] = [
  { title: "Function" },
  { title: "Waiting", kind: "number" },
  { title: "Running", kind: "number spare" },
  { title: "Ended", kind: "number spare" },
  { title: "Failed", kind: "number" },
  { title: "Succeeded", kind: "number" },
  { title: "p50", kind: "number spare" },
  { title: "p95", kind: "number spare" },
  { title: "Runs", kind: "roomy" },
];

/** Every function: how its tasks went, and how they run. */
export function Functions() {
  const functions = useFunctions();
  useStream({ views: { functions: ["functions"] } });
  return (
    <>
      <Head title="Functions" />
      <Loaded query={functions}>
        {(all) =>
          all.length === 0 ? <Empty title="No function is registered." /> : <All all={all} />
        }
      </Loaded>
    </>
  );
}

function All({ all }: { all: readonly FunctionDetail[] }) {
  const { shown, box, more } = useNarrow(all, (one) => [one.func_name]);
  return (
    <>
      {box}
      <Table label="Functions" columns={COLUMNS}>
        {shown.map((one) => (
          <Row key={one.func_name} one={one} />
        ))}
      </Table>
      {more}
    </>
  );
}

function Row({ one }: { one: FunctionDetail }) {
  const name = one.func_name;
  return (
    <tr>
      <td>
        <Link to={`functions/${encodeURIComponent(name)}`}>{name}</Link>
        {one.stranded && <div className="error">Tasks wait, and no instance can run them.</div>}
        {one.unreadable && <div className="error">{one.unreadable}</div>}
      </td>
      <td className="number">{count(one.pending)}</td>
      <td className="number spare">{count(one.running)}</td>
      <td className="number spare" title={count(one.ended)}>
        {brief(one.ended)}
      </td>
      <td className="number">
        {one.failed > 0 ? (
          <Link to="tasks" query={{ func_name: name, status: "failed" }} className="error">
            {count(one.failed)}
          </Link>
        ) : (
          ""
        )}
      </td>
      <td className="number">{one.success + one.failed > 0 ? percent(one.success_rate) : "–"}</td>
      <td className="number spare">{span(one.p50)}</td>
      <td className="number spare">{span(one.p95)}</td>
      <td className="quiet roomy words">
        {one.settings ? inWords(one.settings) : "not registered here"}
      </td>
    </tr>
  );
}

/** The settings that differ from the plainest ones. */
export function inWords(settings: FunctionSettings): string {
  const { executor, queue, retries, delay, backoff, timeout } = settings;
  const parts = [executor];
  if (queue) parts.push(`queue ${queue}`);
  if (settings.persist) parts.push("durable");
  if (settings.requeue_on_interrupt) parts.push("requeued");
  if (retries > 0) {
    const pause = delay > 0 ? ` after ${span(delay)}${backoff === 1 ? "" : ` ×${backoff}`}` : "";
    parts.push(`${retries} ${retries === 1 ? "retry" : "retries"}${pause}`);
  }
  if (timeout !== null) parts.push(`at most ${span(timeout)}`);
  if (settings.priority !== null) parts.push(`priority ${settings.priority}`);
  return parts.join(", ");
}
