import { useState } from "react";
import { ask } from "../api/client";
import { useAct, usePauses } from "../api/queries";
import type { PauseInfo, PauseRequest } from "../api/schema";
import { settings } from "../settings";
import { Loaded } from "../ui/basics";
import { toast } from "../ui/toasts";

const KINDS = {
  function: { title: "Function", field: "func_name", hint: "its name" },
  key: { title: "Order key", field: "key", hint: "customer:42" },
  tag: { title: "Tag", field: "tag", hint: "name:value" },
  queue: { title: "Queue", field: "queue", hint: "its name" },
} as const;

type Kind = PauseInfo["kind"];

const request = (kind: Kind, value: string): PauseRequest => ({ [KINDS[kind].field]: value });

/** All that is paused on every instance; more is paused, and let go on. */
export function Pauses() {
  const pauses = usePauses();
  return (
    <section className="card pauses">
      <h2>Pauses in force</h2>
      <Loaded query={pauses}>
        {(all) =>
          all.length === 0 ? (
            <p className="quiet">None.</p>
          ) : (
            <ul>
              {all.map((one) => (
                <li key={`${one.kind} ${one.value}`}>
                  <span className="badge paused">{one.kind}</span> <strong>{one.value}</strong>
                  {settings.may.act && <Lift pause={one} />}
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
      {settings.may.act && <Add />}
    </section>
  );
}

const TOUCHED = ["pauses", "queues", "tasks"];

function Lift({ pause }: { pause: PauseInfo }) {
  const lift = useAct(
    () => ask("POST /pauses/resume", { body: request(pause.kind, pause.value) }),
    TOUCHED,
  );
  return (
    <button
      type="button"
      disabled={lift.isPending}
      aria-label={`Lift the pause of ${pause.kind} ${pause.value}`}
      onClick={() =>
        lift.mutate(undefined, {
          onError: (error) => toast(error.message, { bad: true }),
          onSuccess: () => toast(`${pause.value} goes on.`),
        })
      }
    >
      Lift
    </button>
  );
}

function Add() {
  const [kind, setKind] = useState<Kind>("function");
  const [value, setValue] = useState("");
  const pause = useAct(() => ask("POST /pauses", { body: request(kind, value.trim()) }), TOUCHED);
  return (
    <form
      className="fields"
      onSubmit={(event) => {
        event.preventDefault();
        pause.mutate(undefined, {
          onError: (error) => toast(error.message, { bad: true }),
          onSuccess: () => {
            setValue("");
            toast(`${value.trim()} is paused.`);
          },
        });
      }}
    >
      <select
        aria-label="What to pause"
        value={kind}
        onChange={(event) => setKind(event.target.value as Kind)}
      >
        {Object.entries(KINDS).map(([name, one]) => (
          <option key={name} value={name}>
            {one.title}
          </option>
        ))}
      </select>
      <input
        aria-label={`${KINDS[kind].title} to pause`}
        placeholder={KINDS[kind].hint}
        value={value}
        onChange={(event) => setValue(event.target.value)}
      />
      <button type="submit" disabled={pause.isPending || value.trim() === ""}>
        Pause
      </button>
    </form>
  );
}
