import { useState } from "react";
import { ApiError, ask } from "../api/client";
import { canCancel, cancelTask, canRetry, type Task } from "../api/queries";

/** Tasks that somebody chose, by id; those that are not loaded any more stay chosen. */
export function useSelection() {
  const [chosen, setChosen] = useState<ReadonlyMap<string, Task>>(new Map());
  const toggle = (task: Task) =>
    setChosen((before) => {
      const next = new Map(before);
      if (!next.delete(task.task_id)) next.set(task.task_id, task);
      return next;
    });
  const add = (tasks: readonly Task[]) =>
    setChosen((before) => new Map([...before, ...tasks.map((one) => [one.task_id, one] as const)]));
  const clear = () => setChosen(new Map());
  return { chosen, toggle, add, clear };
}

export interface Outcome {
  done: number;
  /** Why others were left as they are, and how many for each reason. */
  refused: Map<string, number>;
}

const MOST = 1000;
const AT_ONCE = 4;

/** Retry all of them that can be, in as few requests as there may be. */
export async function retryAll(tasks: readonly Task[]): Promise<Outcome> {
  const outcome: Outcome = { done: 0, refused: new Map() };
  const able = left(tasks, canRetry, "no retry possible", outcome);
  for (let at = 0; at < able.length; at += MOST) {
    const ids = able.slice(at, at + MOST).map((task) => task.task_id);
    const answer = await ask("POST /bulk-retry", { body: { task_ids: ids } });
    outcome.done += answer.dispatched;
    for (const one of answer.refusals) refuse(outcome, one.reason);
  }
  return outcome;
}

/** Cancel all of them that can be, a few at a time. */
export async function cancelAll(
  tasks: readonly Task[],
  tell: (done: number, of: number) => void,
): Promise<Outcome> {
  const outcome: Outcome = { done: 0, refused: new Map() };
  const able = left(tasks, canCancel, "ended already", outcome);
  let next = 0;
  const work = async () => {
    for (let task = able[next++]; task; task = able[next++]) {
      try {
        await cancelTask(task.task_id);
        outcome.done += 1;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        refuse(outcome, error.message);
      }
      tell(outcome.done, able.length);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return outcome;
}

function left(
  tasks: readonly Task[],
  able: (task: Task) => boolean,
  reason: string,
  outcome: Outcome,
): Task[] {
  const found = tasks.filter(able);
  if (found.length < tasks.length) outcome.refused.set(reason, tasks.length - found.length);
  return found;
}

function refuse(outcome: Outcome, reason: string) {
  outcome.refused.set(reason, (outcome.refused.get(reason) ?? 0) + 1);
}
