import type {
  FunctionDetail,
  InstanceDetail,
  PauseInfo,
  QueueInfo,
  ScheduleDetail,
} from "../api/schema";
import { count, percent, short, span } from "../format";
import type { Query } from "../router";

/** Something that somebody should look at. */
export interface Trouble {
  /** Bad ones come first, and of two alike the heavier. */
  weight: number;
  bad: boolean;
  name: string;
  text: string;
  to: string;
  query: Query;
}

/** The worst first: what somebody stopped on purpose stands below what goes wrong. */
export function worst(one: Trouble, other: Trouble): number {
  return Number(other.bad) - Number(one.bad) || other.weight - one.weight;
}

/** What is wrong with functions: tasks of theirs failed lately, or nobody can run them. */
export function ofFunctions(functions: readonly FunctionDetail[]): Trouble[] {
  return functions.flatMap((one) => {
    const found: Trouble[] = [];
    const query = { func_name: one.func_name };
    if (one.stranded) {
      const text = `${count(one.pending)} waiting, and no instance has this function`;
      found.push(trouble(1e9, true, one.func_name, text, { ...query, status: "pending" }));
    }
    if (one.unreadable) found.push(trouble(1e8, true, one.func_name, one.unreadable, query));
    const hour = one.last_hour;
    if (hour && hour.failed > 0) {
      const rate = hour.failed / (hour.failed + hour.success);
      const text = `${count(hour.failed)} failed in the last hour, ${percent(rate)}`;
      const lately = { ...query, since: "1h" };
      found.push(trouble(hour.failed, rate >= 0.05, one.func_name, text, lately, "failures"));
    }
    return found;
  });
}

export function ofQueues(queues: readonly QueueInfo[]): Trouble[] {
  return queues.flatMap((one) => {
    const query = { queue: one.name, status: "pending" };
    const found: Trouble[] = [];
    if (one.max_size !== null && one.pending >= one.max_size) {
      const text = `full: ${count(one.pending)} wait, and more are rejected`;
      found.push(trouble(1e7, true, `queue ${one.name}`, text, query));
    }
    if (one.paused) {
      const text = `paused, ${count(one.pending)} waiting`;
      found.push(trouble(1e5 + one.pending, false, `queue ${one.name}`, text, query));
    }
    return found;
  });
}

/** Pauses that are in force; those of queues are told with what waits in them. */
export function ofPauses(pauses: readonly PauseInfo[]): Trouble[] {
  return pauses
    .filter((one) => one.kind !== "queue")
    .map((one) => {
      const name = `${one.kind} ${one.value}`;
      return trouble(1e5, false, name, "paused: nothing of it starts", {}, "queues");
    });
}

/** An event loop that answers so late holds up all of its process. */
const LATE_SECONDS = 1;

/** Instances that are in trouble; `silent`: since when, in seconds, those say nothing. */
export function ofInstances(
  instances: readonly InstanceDetail[],
  silent: ReadonlyMap<string, number>,
): Trouble[] {
  return instances.flatMap((one): Trouble[] => {
    const name = `instance ${short(one.instance_id)}`;
    const seconds = silent.get(one.instance_id);
    if (seconds !== undefined) {
      const text = `no heartbeat for ${span(seconds)}, on ${one.host}`;
      return [trouble(1e8, true, name, text, {}, "instances")];
    }
    if (one.lag < LATE_SECONDS) return [];
    const text = `its event loop answers ${span(one.lag)} late, on ${one.host}`;
    return [trouble(1e6, false, name, text, {}, "instances")];
  });
}

const LEFT_OUT = new Set(["missed", "overlap"]);
const ENDED_BADLY = new Set(["failed", "interrupted", "rejected"]);

export function ofSchedules(schedules: readonly ScheduleDetail[]): Trouble[] {
  return schedules.flatMap((one): Trouble[] => {
    const [newest] = one.last_slots;
    if (one.retired || !newest) return [];
    const name = `schedule ${one.name}`;
    if (LEFT_OUT.has(newest.kind)) {
      const why = newest.kind === "missed" ? "missed" : "left out: the one before still ran";
      return [trouble(1e4, false, name, `its last run was ${why}`, {}, "schedules")];
    }
    if (newest.status && ENDED_BADLY.has(newest.status)) {
      return [trouble(1e4, true, name, `its last run ${newest.status}`, {}, "schedules")];
    }
    return [];
  });
}

function trouble(
  weight: number,
  bad: boolean,
  name: string,
  text: string,
  query: Query = {},
  to = "tasks",
): Trouble {
  return { weight, bad, name, text, to, query };
}
