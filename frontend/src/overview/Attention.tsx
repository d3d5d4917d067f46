import { useState } from "react";
import { useFunctions, useInstances, usePauses, useQueues, useSchedules } from "../api/queries";
import { count } from "../format";
import { useSilent } from "../instances/silent";
import { Failed, Link } from "../ui/basics";
import { ofFunctions, ofInstances, ofPauses, ofQueues, ofSchedules, worst } from "./troubles";

/** What is shown of it at first: more of them have one cause, mostly. */
const MOST = 20;

/** What is wrong now, the worst first. */
export function Attention() {
  const [whole, setWhole] = useState(false);
  const functions = useFunctions();
  const queues = useQueues();
  const schedules = useSchedules();
  const instances = useInstances();
  const pauses = usePauses();
  const silent = useSilent(instances.data);
  const reads = [functions, queues, schedules, instances, pauses];
  const loaded = reads.every((one) => one.data !== undefined);
  const failed = reads.find((one) => one.error);
  const found = [
    ...ofFunctions(functions.data ?? []),
    ...ofQueues(queues.data ?? []),
    ...ofSchedules(schedules.data?.items ?? []),
    ...ofPauses(pauses.data ?? []),
    ...ofInstances(instances.data ?? [], silent),
  ].sort(worst);
  const shown = whole ? found : found.slice(0, MOST);
  const more = found.length - shown.length;
  return (
    <section className="card">
      <h2>Needs attention</h2>
      {failed?.error && <Failed error={failed.error} again={() => void failed.refetch()} />}
      {!loaded && !failed && <p className="quiet">Loading…</p>}
      {loaded && found.length === 0 && <p className="quiet">Nothing. All is well.</p>}
      <ul className="troubles">
        {shown.map((one) => (
          <li key={`${one.name} ${one.text}`} className={one.bad ? "bad" : undefined}>
            <Link to={one.to} query={one.query}>
              {one.name}
            </Link>
            <span>{one.text}</span>
          </li>
        ))}
      </ul>
      {more > 0 && (
        <button type="button" onClick={() => setWhole(true)}>
          Show {count(more)} more
        </button>
      )}
    </section>
  );
}
