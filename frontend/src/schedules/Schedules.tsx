import type { ReactNode } from "react";
import { ask } from "../api/client";
import { useAct, useSchedules } from "../api/queries";
import type { ScheduleDetail, SlotDetail } from "../api/schema";
import { away, clock } from "../format";
import { go } from "../router";
import { settings } from "../settings";
import { useStream } from "../stream";
import { Ago, Badge, Empty, Head, Link, Loaded, Moment, TaskLink } from "../ui/basics";
import { useNarrow } from "../ui/narrow";
import { type Column, OpenRow, Table, withActs } from "../ui/table";
import { toast } from "../ui/toasts";

/** Every schedule: when it runs next, what became of its last runs. */
export function Schedules() {
  const schedules = useSchedules();
  useStream({ views: { schedules: ["schedules"] } });
  return (
    <>
      <Head title="Schedules" />
      <Loaded query={schedules}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty title="There are no schedules." />
          ) : (
            <All all={page.items} />
          )
        }
      </Loaded>
    </>
  );
}

const COLUMNS: readonly Column[] = [
  { title: "Schedule" },
  { title: "When" },
  { title: "Next run" },
  { title: "Last runs" },
  { title: "Queue", kind: "spare" },
];

function All({ all }: { all: readonly ScheduleDetail[] }) {
  const columns = withActs(COLUMNS);
  const { shown, box, more } = useNarrow(all, (one) => [one.name, one.func_name]);
  return (
    <>
      {box}
      <Table label="Schedules" columns={columns}>
        {shown.map((one) => (
          <OpenRow
            key={one.name}
            label={`Runs of schedule ${one.name}`}
            columns={columns.length}
            row={(disclose) => <Summary schedule={one} disclose={disclose} />}
          >
            <Runs schedule={one} />
          </OpenRow>
        ))}
      </Table>
      {more}
    </>
  );
}

/** The last runs with what became of each, and the next ones. */
function Runs({ schedule }: { schedule: ScheduleDetail }) {
  return (
    <div className="halves">
      <section>
        <h2>Next runs</h2>
        {schedule.next_runs.length === 0 && <p className="quiet">None.</p>}
        <ol>
          {schedule.next_runs.map((at) => (
            <li key={at}>
              <Moment at={at} /> <span className="quiet">{away(new Date(at), Date.now())}</span>
            </li>
          ))}
        </ol>
      </section>
      <section>
        <h2>Last runs</h2>
        {schedule.last_slots.length === 0 && <p className="quiet">None yet.</p>}
        <ol>
          {schedule.last_slots.map((slot) => (
            <li key={`${slot.at} ${slot.kind}`}>
              <Moment at={slot.at} /> <Badge status={slot.status ?? slot.kind} />{" "}
              {slot.kind !== "slot" && slot.status && <span className="quiet">{slot.kind} </span>}
              {slot.task_id && <TaskLink id={slot.task_id} />}
            </li>
          ))}
        </ol>
      </section>
    </div>
  );
}

function Summary({ schedule, disclose }: { schedule: ScheduleDetail; disclose: ReactNode }) {
  const [next] = schedule.next_runs;
  return (
    <tr>
      <td>
        <span className="disclosed">
          {disclose}
          <strong>{schedule.name}</strong>
        </span>
        <div>
          <Link to="tasks" query={{ func_name: schedule.func_name }} className="quiet">
            {schedule.func_name}
          </Link>
        </div>
      </td>
      <td>
        {schedule.description}
        <div className="quiet">
          {schedule.cron ? <code>{schedule.cron}</code> : null} {schedule.timezone}
        </div>
      </td>
      <td>
        {schedule.retired ? (
          <span className="badge cancelled" title="It is gone from the code">
            retired
          </span>
        ) : schedule.paused ? (
          <span className="badge paused">paused</span>
        ) : next ? (
          <Ago at={next} />
        ) : (
          <span className="quiet">never again</span>
        )}
      </td>
      <td>
        <Slots slots={schedule.last_slots} />
      </td>
      <td className="spare">{schedule.queue}</td>
      {settings.may.act && (
        <td className="acts">
          <Acts schedule={schedule} />
        </td>
      )}
    </tr>
  );
}

/** The last runs as marks, the newest first, and the newest in words. */
function Slots({ slots }: { slots: readonly SlotDetail[] }) {
  const [newest] = slots;
  if (!newest) return <span className="quiet">none yet</span>;
  return (
    <>
      <span className="marks">
        {slots.map((slot) => {
          const said = slot.status ?? slot.kind;
          const title = `${clock(new Date(slot.at), Date.now())} ${slot.kind}: ${said}`;
          return slot.task_id ? (
            <Link
              key={`${slot.at}-${slot.kind}`}
              to={`tasks/${slot.task_id}`}
              className={`mark ${said}`}
              title={title}
              aria-label={title}
            >
              {""}
            </Link>
          ) : (
            <span
              key={`${slot.at}-${slot.kind}`}
              className={`mark ${said}`}
              title={title}
              role="img"
              aria-label={title}
            />
          );
        })}
      </span>
      <div className="quiet">
        {newest.status ?? newest.kind} <Ago at={newest.at} />
      </div>
    </>
  );
}

function Acts({ schedule }: { schedule: ScheduleDetail }) {
  const path = { name: schedule.name };
  const failed = { onError: (error: Error) => toast(error.message, { bad: true }) };
  const run = useAct(() => ask("POST /schedules/{name}/run", { path }), ["schedules", "tasks"]);
  const pause = useAct(
    (on: boolean) =>
      on
        ? ask("POST /schedules/{name}/pause", { path })
        : ask("POST /schedules/{name}/resume", { path }),
    ["schedules"],
  );
  if (schedule.retired) return null;
  return (
    <>
      <button
        type="button"
        disabled={run.isPending}
        aria-label={`Run now: schedule ${schedule.name}`}
        onClick={() =>
          run.mutate(undefined, {
            ...failed,
            onSuccess: (answer) => {
              toast(
                <>
                  Runs as <TaskLink id={answer.task_id} />.
                </>,
              );
              go("schedules");
            },
          })
        }
      >
        Run now
      </button>
      <button
        type="button"
        disabled={pause.isPending}
        aria-label={`${schedule.paused ? "Resume" : "Pause"} schedule ${schedule.name}`}
        onClick={() => pause.mutate(!schedule.paused, failed)}
      >
        {schedule.paused ? "Resume" : "Pause"}
      </button>
    </>
  );
}
