import { useState } from "react";
import { ask } from "../api/client";
import { useAct } from "../api/queries";
import type { QueueInfo } from "../api/schema";
import { BulkDialog } from "../bulk/BulkDialog";
import { Confirm } from "../ui/dialog";
import { toast } from "../ui/toasts";

const TOUCHED = ["queues", "pauses"];
const refused = (error: Error) => toast(error.message, { bad: true });

/** What may be done to a queue. Each keeps its place, whatever state the queue is in. */
export function Acts({ queue }: { queue: QueueInfo }) {
  return (
    <>
      <Pause queue={queue} />
      <Drain queue={queue} />
      <Purge queue={queue} />
    </>
  );
}

function Pause({ queue: { name, paused, draining } }: { queue: QueueInfo }) {
  const act = useAct(
    (pause: boolean) =>
      pause
        ? ask("POST /queues/{name}/pause", { path: { name } })
        : ask("POST /queues/{name}/resume", { path: { name } }),
    TOUCHED,
  );
  const held = paused || draining;
  const word = held ? "Resume" : "Pause";
  return (
    <button
      type="button"
      disabled={act.isPending}
      aria-label={`${word} queue ${name}`}
      onClick={() =>
        act.mutate(!held, {
          onError: refused,
          onSuccess: () => toast(`${name} ${held ? "goes on" : "is paused"}.`),
        })
      }
    >
      {word}
    </button>
  );
}

function Drain({ queue: { name, draining } }: { queue: QueueInfo }) {
  const [asked, setAsked] = useState(false);
  const act = useAct(() => ask("POST /queues/{name}/drain", { path: { name } }), TOUCHED);
  const run = () =>
    act.mutate(undefined, {
      onError: refused,
      onSuccess: () => toast(`${name} drains: it takes nothing new.`),
    });
  return (
    <>
      <button
        type="button"
        disabled={draining || act.isPending}
        title={draining ? "It drains already" : undefined}
        aria-label={`Drain queue ${name}`}
        onClick={() => setAsked(true)}
      >
        Drain
      </button>
      {asked && (
        <Confirm
          title={`Drain queue ${name}`}
          action="Drain"
          run={run}
          close={() => setAsked(false)}
        >
          <p>
            It takes nothing new until it is resumed: adding is refused, as by a full queue, to
            schedules too. What waits and runs in it is worked off, retries as well.
          </p>
        </Confirm>
      )}
    </>
  );
}

/** Cancel all that waits in it. */
function Purge({ queue: { name, pending } }: { queue: QueueInfo }) {
  const [asked, setAsked] = useState(false);
  return (
    <>
      <button
        type="button"
        disabled={pending === 0}
        title={pending === 0 ? "Nothing waits" : undefined}
        aria-label={`Empty queue ${name}`}
        onClick={() => setAsked(true)}
      >
        Empty
      </button>
      {asked && (
        <BulkDialog
          action="cancel"
          filter={{ queue: name, status: ["pending"] }}
          what={`that wait in queue ${name}`}
          means="They never start; what runs is left alone."
          close={() => setAsked(false)}
        />
      )}
    </>
  );
}
