import { useState } from "react";
import type { BulkDetail } from "../api/schema";
import { count, plural } from "../format";
import { useNow } from "../now";
import { settings } from "../settings";
import { Link } from "../ui/basics";
import { toast } from "../ui/toasts";
import { expected, tasksOf, useBulks, useStop } from "./queries";

/** So long one that has ended is still shown. */
const SHOWN_MS = 120_000;

/** Actions on many tasks that go on, and those that have just ended: on every view. */
export function Bulks() {
  const bulks = useBulks();
  const now = useNow();
  const [dismissed, setDismissed] = useState<ReadonlySet<string>>(new Set());
  const shown = (bulks.data ?? []).filter(
    (one) => !dismissed.has(one.bulk_id) && isFresh(one, now),
  );
  if (shown.length === 0) return null;
  return (
    <ul className="bulks" aria-label="Actions on many tasks">
      {shown.map((one) => (
        <Bulk
          key={one.bulk_id}
          bulk={one}
          dismiss={() => setDismissed((before) => new Set([...before, one.bulk_id]))}
        />
      ))}
    </ul>
  );
}

function isFresh(bulk: BulkDetail, now: number): boolean {
  return bulk.ended_at === null || now - new Date(bulk.ended_at).getTime() < SHOWN_MS;
}

function Bulk({ bulk, dismiss }: { bulk: BulkDetail; dismiss: () => void }) {
  const stop = useStop();
  const most = expected(bulk);
  const runs = bulk.status === "running";
  return (
    <li>
      <span className="what" role="status">
        <strong>{inWords(bulk)}</strong>
        {bulk.refused > 0 && ` ${count(bulk.refused)} left as they were.`}
      </span>
      {bulk.refusals.length > 0 && <Refusals bulk={bulk} />}
      {runs && most !== undefined && (
        <progress
          value={Math.min(bulk.done + bulk.refused, most)}
          max={most}
          aria-label={`${bulk.done + bulk.refused} of about ${most}`}
        />
      )}
      <span className="quiet">
        <Link to="tasks" query={tasksOf(bulk)}>
          its tasks
        </Link>{" "}
        by {bulk.actor}
      </span>
      {runs && settings.may.act && (
        <button
          type="button"
          disabled={stop.isPending}
          onClick={() =>
            stop.mutate(bulk.bulk_id, {
              onError: (error) => toast(error.message, { bad: true }),
            })
          }
        >
          Call off
        </button>
      )}
      {!runs && (
        <button type="button" className="plain" onClick={dismiss}>
          Dismiss
        </button>
      )}
    </li>
  );
}

/** The tasks that were left as they were, and why. */
function Refusals({ bulk }: { bulk: BulkDetail }) {
  return (
    <details>
      <summary>Why</summary>
      <ul>
        {bulk.refusals.map(({ task_id: id, reason }) => (
          <li key={id}>
            <Link to={`tasks/${id}`}>{id.slice(-8)}</Link> {reason}
          </li>
        ))}
      </ul>
      {bulk.refused > bulk.refusals.length && (
        <p className="quiet">And {count(bulk.refused - bulk.refusals.length)} more.</p>
      )}
    </details>
  );
}

/** How far it is: nobody knows beforehand how many it will find. */
export function inWords(bulk: BulkDetail): string {
  const retry = bulk.action === "retry";
  const tasks = plural(bulk.done, "task");
  switch (bulk.status) {
    case "running":
      return `${retry ? "Retrying" : "Cancelling"}: ${tasks} so far.`;
    case "cancelled":
      return `Called off after ${tasks} ${retry ? "retried" : "cancelled"}.`;
    default:
      return `${retry ? "Retried" : "Cancelled"} ${tasks}.`;
  }
}
