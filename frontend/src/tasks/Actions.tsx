import { type ReactNode, useState } from "react";
import { canCancel, canRetry, type Task, type TaskFilters, useAct } from "../api/queries";
import type { TaskChoice, TaskStatus } from "../api/schema";
import { BulkDialog } from "../bulk/BulkDialog";
import { plural } from "../format";
import { Confirm } from "../ui/dialog";
import { toast } from "../ui/toasts";
import { narrowed } from "./filters";
import { cancelAll, type Outcome, retryAll } from "./selection";

type Action = "retry" | "cancel";

/** What can be done with the chosen tasks, or with all that match. */
export function Actions({
  chosen,
  clear,
  matching,
}: {
  chosen: readonly Task[];
  clear: () => void;
  /** Null: no others than the chosen ones match. */
  matching: Matching | null;
}) {
  const [all, setAll] = useState(false);
  if (all && matching) return <ActOnAll matching={matching} leave={() => setAll(false)} />;
  return (
    <ActOnSome chosen={chosen} clear={clear}>
      {matching && narrowed(matching.filters) > 0 && (
        <button type="button" className="plain" onClick={() => setAll(true)}>
          Choose all {matching.total} that match
        </button>
      )}
      {matching && narrowed(matching.filters) === 0 && (
        <span>Filter by more than state to choose all that match.</span>
      )}
    </ActOnSome>
  );
}

/** What the list shows: more than is loaded. */
export interface Matching {
  filters: TaskFilters;
  /** As people read it. */
  total: string;
}

const POSSIBLE: Record<Action, readonly TaskStatus[]> = {
  retry: ["failed", "interrupted", "cancelled", "rejected"],
  cancel: ["pending", "running"],
};

/** The filters for an action: of the states that were asked for, those that it can be done to. */
export function choice(filters: TaskFilters, action: Action): TaskChoice | null {
  const { status, ...rest } = filters;
  if (!status?.length) return rest;
  const possible = status.filter((one) => POSSIBLE[action].includes(one));
  return possible.length > 0 ? { ...rest, status: possible } : null;
}

function ActOnAll({ matching, leave }: { matching: Matching; leave: () => void }) {
  const [asked, setAsked] = useState<Action | null>(null);
  const filter = asked && choice(matching.filters, asked);
  return (
    <section className="selected" aria-label="Chosen tasks">
      <strong>All {matching.total} tasks that match are chosen</strong>
      {(["retry", "cancel"] as const).map((action) => (
        <button
          key={action}
          type="button"
          data-key={action === "retry" ? "r" : "c"}
          disabled={choice(matching.filters, action) === null}
          onClick={() => setAsked(action)}
        >
          {action === "retry" ? "Retry them" : "Cancel them"}
        </button>
      ))}
      <button type="button" className="plain" onClick={leave}>
        Only those chosen
      </button>
      {asked && filter && (
        <BulkDialog
          action={asked}
          filter={filter}
          what={
            filter.status
              ? "that match"
              : asked === "retry"
                ? "that match and failed or were interrupted"
                : "that match and have not ended"
          }
          close={() => setAsked(null)}
          started={leave}
        />
      )}
    </section>
  );
}

function ActOnSome({
  chosen,
  clear,
  children,
}: {
  chosen: readonly Task[];
  clear: () => void;
  children: ReactNode;
}) {
  const [asked, setAsked] = useState<Action | null>(null);
  const [told, setTold] = useState("");
  const touched = ["tasks", "metrics", "queues"];
  const retry = useAct(retryAll, touched);
  const cancel = useAct(
    (tasks: readonly Task[]) => cancelAll(tasks, (done, of) => setTold(`${done} of ${of}`)),
    touched,
  );
  const retryable = chosen.filter(canRetry).length;
  const cancellable = chosen.filter(canCancel).length;
  const busy = retry.isPending || cancel.isPending;
  const finish = (verb: string) => ({
    onSuccess: (outcome: Outcome) => {
      toast(inWords(verb, outcome), { bad: outcome.done === 0 });
      setTold("");
      clear();
    },
    onError: (error: Error) => toast(error.message, { bad: true }),
  });
  return (
    <section className="selected" aria-label="Chosen tasks">
      <strong>{plural(chosen.length, "task")} chosen</strong>
      <button
        type="button"
        data-key="r"
        disabled={busy || retryable === 0}
        onClick={() => setAsked("retry")}
      >
        Retry {retryable || ""}
      </button>
      <button
        type="button"
        data-key="c"
        disabled={busy || cancellable === 0}
        onClick={() => setAsked("cancel")}
      >
        Cancel {cancellable || ""}
      </button>
      <button type="button" className="plain" onClick={clear}>
        Clear
      </button>
      {children}
      <span role="status">{busy && (told || "Working…")}</span>
      {asked === "retry" && (
        <Confirm
          title={`Retry ${plural(retryable, "task")}?`}
          action="Retry"
          run={() => retry.mutate(chosen, finish("Retried"))}
          close={() => setAsked(null)}
        >
          <p>Each runs again as a new task with the same arguments.</p>
        </Confirm>
      )}
      {asked === "cancel" && (
        <Confirm
          title={`Cancel ${plural(cancellable, "task")}?`}
          action="Cancel them"
          run={() => cancel.mutate(chosen, finish("Cancelled"))}
          close={() => setAsked(null)}
        >
          <p>What waits never starts. What runs is asked to stop.</p>
        </Confirm>
      )}
    </section>
  );
}

function inWords(verb: string, outcome: Outcome): string {
  const others = [...outcome.refused].map(([reason, times]) => `${times}: ${reason}`);
  const left = others.length > 0 ? ` Left as they are: ${others.join("; ")}.` : "";
  return `${verb} ${plural(outcome.done, "task")}.${left}`;
}
