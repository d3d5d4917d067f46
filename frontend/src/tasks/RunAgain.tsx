import { type FormEvent, useId, useState } from "react";
import { ApiError } from "../api/client";
import { runAgain, useAct, useArguments } from "../api/queries";
import type { ArgumentInfo, TaskDetail } from "../api/schema";
import { signInAddress, useHold } from "../api/session";
import { short } from "../format";
import { go } from "../router";
import { Loaded } from "../ui/basics";
import { Dialog } from "../ui/dialog";
import { toast } from "../ui/toasts";
import {
  changedJson,
  type Draft,
  draftOf,
  emptyDraft,
  faultOf,
  type Shape,
  shapeOf,
} from "./arguments";

/** Run a task again with other arguments: a form made of its function's parameters. */
export function RunAgain({ task, close }: { task: TaskDetail; close: () => void }) {
  const parameters = useArguments(task.task_id);
  return (
    <Dialog title={`Run ${task.func_name} again`} close={close} wide>
      <Loaded query={parameters}>
        {(all) => <Form task={task} parameters={all} close={close} />}
      </Loaded>
    </Dialog>
  );
}

type Drafts = Record<string, Draft | null>;
type Faults = Record<string, string>;

function Form({
  task,
  parameters,
  close,
}: {
  task: TaskDetail;
  parameters: readonly ArgumentInfo[];
  close: () => void;
}) {
  const [drafts, setDrafts] = useState<Drafts>(() =>
    Object.fromEntries(parameters.map((one) => [one.name, draftOf(one, shapeOf(one.form))])),
  );
  const [faults, setFaults] = useState<Faults>({});
  const act = useAct(
    () => runAgain(task.task_id, changedJson(parameters, drafts)),
    ["task", "tasks", "metrics", "queues"],
  );
  const send = (event: FormEvent) => {
    event.preventDefault();
    const wrong = faultsOf(parameters, drafts);
    setFaults(wrong);
    if (Object.keys(wrong).length > 0) return;
    act.mutate(undefined, {
      onSuccess: (answer) => {
        toast(`Runs again as ${short(answer.task_id)}.`);
        close();
        go(`tasks/${answer.task_id}`);
      },
      onError: (error) => setFaults(told(error)),
    });
  };
  return (
    <form className="rerun" onSubmit={send} noValidate>
      {parameters.length === 0 && <p className="quiet">The function takes no arguments.</p>}
      {parameters.map((one) => (
        <Field
          key={one.name}
          parameter={one}
          draft={drafts[one.name] ?? null}
          fault={faults[one.name]}
          set={(draft) => setDrafts((before) => ({ ...before, [one.name]: draft }))}
        />
      ))}
      {faults[""] && (
        <p className="error" role="alert">
          {faults[""]}
        </p>
      )}
      <SignedOut />
      <div className="actions">
        <button type="button" onClick={close}>
          Back
        </button>
        <button type="submit" className="main" disabled={act.isPending}>
          Run again
        </button>
      </div>
    </form>
  );
}

/** The session ended: what was typed stays here, while one signs in elsewhere. */
function SignedOut() {
  const over = useHold();
  if (!over) return null;
  return (
    <p className="warning" role="alert">
      Your session has ended.{" "}
      <a href={signInAddress()} target="_blank" rel="noreferrer">
        Sign in in another tab
      </a>
      , then go on here: what you typed stays.
    </p>
  );
}

function faultsOf(parameters: readonly ArgumentInfo[], drafts: Drafts): Faults {
  const found: Faults = {};
  for (const one of parameters) {
    const draft = drafts[one.name];
    const fault = draft ? faultOf(draft, shapeOf(one.form)) : null;
    if (fault) found[one.name] = fault;
  }
  return found;
}

/** What the server says, by argument; under no name what concerns none. */
function told(error: Error): Faults {
  const found: Faults = {};
  const faults = error instanceof ApiError ? error.faults : [];
  for (const { place, message } of faults) {
    const [, name = "", ...inside] = place.map(String);
    const words = inside.length > 0 ? `${inside.join(".")}: ${message}` : message;
    found[name] = found[name] ? `${found[name]} ${words}` : words;
  }
  return faults.length > 0 ? found : { "": error.message };
}

function Field({
  parameter,
  draft,
  fault,
  set,
}: {
  parameter: ArgumentInfo;
  draft: Draft | null;
  fault: string | undefined;
  set: (draft: Draft | null) => void;
}) {
  const id = useId();
  const shape = shapeOf(parameter.form);
  const described = { id, "aria-invalid": fault !== undefined, "aria-describedby": `${id}-note` };
  return (
    <div className="argument">
      <label htmlFor={draft === null ? undefined : id}>
        {named(parameter)} <small className="quiet">{shape.title}</small>
      </label>
      {draft === null ? (
        <Kept parameter={parameter} replace={() => set(emptyDraft(shape))} />
      ) : (
        <div className="value">
          <Input draft={draft} shape={shape} set={set} described={described} />
          {shape.nullable && (
            <label className="none">
              <input
                type="checkbox"
                checked={draft.none}
                onChange={(event) => set({ ...draft, none: event.target.checked })}
              />
              none
            </label>
          )}
        </div>
      )}
      <p id={`${id}-note`} className="error">
        {fault}
      </p>
    </div>
  );
}

function named({ name, kind }: ArgumentInfo): string {
  return kind === "list" ? `*${name}` : kind === "object" ? `**${name}` : name;
}

/** An argument that cannot be shown, and goes along unchanged. */
function Kept({ parameter, replace }: { parameter: ArgumentInfo; replace: () => void }) {
  const why = parameter.secret
    ? "Secret: stays as it is."
    : parameter.given
      ? "Has no form as JSON: stays as it is."
      : "Has its default.";
  return (
    <div className="value">
      <span className="quiet">{why}</span>
      {parameter.form !== null && (
        <button type="button" aria-label={`Replace ${parameter.name}`} onClick={replace}>
          Replace
        </button>
      )}
    </div>
  );
}

function Input({
  draft,
  shape,
  set,
  described,
}: {
  draft: Draft;
  shape: Shape;
  set: (draft: Draft) => void;
  described: { id: string; "aria-invalid": boolean; "aria-describedby": string };
}) {
  const type = (text: string) => set({ text, none: false });
  const common = { ...described, value: draft.text };
  if (shape.kind === "choice") {
    const known = shape.choices.includes(draft.text);
    const choices = known ? shape.choices : [draft.text, ...shape.choices];
    return (
      <select {...common} onChange={(event) => type(event.target.value)}>
        {choices.map((one) => (
          <option key={one} value={one}>
            {one.replace(/^"(.*)"$/, "$1")}
          </option>
        ))}
      </select>
    );
  }
  if (shape.kind === "json" || draft.text.includes("\n")) {
    return (
      <textarea
        {...common}
        rows={Math.min(12, draft.text.split("\n").length + 1)}
        spellCheck={false}
        onChange={(event) => type(event.target.value)}
      />
    );
  }
  return (
    <input
      {...common}
      type="text"
      placeholder={draft.none ? "none" : undefined}
      inputMode={shape.kind === "number" ? "decimal" : undefined}
      autoComplete="off"
      spellCheck={false}
      onChange={(event) => type(event.target.value)}
    />
  );
}
