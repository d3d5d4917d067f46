import { useState } from "react";
import { ApiError } from "../api/client";
import {
  canCancel,
  cancelTask,
  canRetry,
  hasEnded,
  retryTask,
  useAct,
  useTask,
} from "../api/queries";
import type { TaskDetail } from "../api/schema";
import { short } from "../format";
import { go } from "../router";
import { settings } from "../settings";
import { useStream } from "../stream";
import { Ago, Badge, Empty, Head, Link, Loaded, Moment, TaskLink } from "../ui/basics";
import { Copy } from "../ui/copy";
import { toast } from "../ui/toasts";
import { Compare } from "./Compare";
import { Contents } from "./Contents";
import { Facts } from "./Facts";
import { Logs } from "./Logs";
import { Related } from "./Related";
import { Progress, Took } from "./Row";
import { RunAgain } from "./RunAgain";
import { Timeline } from "./Timeline";
import { reason } from "./timeline";

/** All about one task. */
export function TaskPage({ id }: { id: string }) {
  const task = useTask(id);
  useStream({ task: id });
  if (task.error instanceof ApiError && task.error.status === 404 && !task.data) {
    return (
      <Empty title={`There is no task ${id}.`}>
        <p className="quiet">It may have been deleted with the history.</p>
        <Link to="tasks">All tasks</Link>
      </Empty>
    );
  }
  return <Loaded query={task}>{(data) => <Task task={data} />}</Loaded>;
}

function Task({ task }: { task: TaskDetail }) {
  return (
    <article className="task">
      <Head
        title={
          <>
            <span className="func">{task.title || task.func_name}</span>{" "}
            <Badge status={task.status} />
          </>
        }
      >
        <Act task={task} />
      </Head>
      <p className="under">
        <code>{task.task_id}</code> <Copy text={task.task_id} label="Copy id" />
        <Tags tags={task.tags} />
      </p>
      {task.summary && <p className="summary">{task.summary}</p>}
      <Notes task={task} />
      <div className="columns">
        <div>
          {task.error && <Failure task={task} />}
          <section className="card">
            <div className="title">
              <h2>Timeline</h2>
              <span className="quiet">
                <Took task={task} />
              </span>
            </div>
            {task.progress && <Progress progress={task.progress} />}
            <Timeline task={task} />
          </section>
          <Compare task={task} />
          {task.contents_hidden ? (
            <section className="card">
              <h2>Log</h2>
              <p className="quiet">Log lines and arguments are hidden from viewers.</p>
            </section>
          ) : (
            <Logs task={task} />
          )}
        </div>
        <div>
          <Facts task={task} />
          <Contents task={task} />
          <Related task={task} />
        </div>
      </div>
    </article>
  );
}

function Act({ task }: { task: TaskDetail }) {
  const touched = ["task", "tasks", "metrics", "queues"];
  const retry = useAct(retryTask, touched);
  const cancel = useAct(cancelTask, touched);
  const [editing, setEditing] = useState(false);
  const failed = (error: Error) => {
    const other = error instanceof ApiError ? error.taskId : null;
    toast(
      <>
        {error.message} {other && <TaskLink id={other} />}
      </>,
      { bad: true },
    );
  };
  if (!settings.may.act) return null;
  return (
    <>
      {canRetry(task) && (
        <button
          type="button"
          className="main"
          data-key="r"
          disabled={retry.isPending}
          onClick={() =>
            retry.mutate(task.task_id, {
              onError: failed,
              onSuccess: (answer) => {
                toast(`Runs again as ${short(answer.task_id)}.`);
                go(`tasks/${answer.task_id}`);
              },
            })
          }
        >
          Retry
        </button>
      )}
      {canRunAgain(task) && (
        <button type="button" data-key="e" onClick={() => setEditing(true)}>
          Edit and run again
        </button>
      )}
      {editing && <RunAgain task={task} close={() => setEditing(false)} />}
      {canCancel(task) && (
        <button
          type="button"
          data-key="c"
          disabled={cancel.isPending || task.cancel_requested}
          onClick={() =>
            cancel.mutate(task.task_id, {
              onError: failed,
              onSuccess: (answer) =>
                toast(answer.task.status === "cancelled" ? "Cancelled." : "Asked to stop."),
            })
          }
        >
          {task.cancel_requested ? "Asked to stop" : "Cancel"}
        </button>
      )}
    </>
  );
}

/** Arguments are shown here, and the task can have others. */
function canRunAgain(task: TaskDetail): boolean {
  const shown = task.args !== undefined && !task.contents_hidden;
  return shown && hasEnded(task) && task.retried_as === null;
}

function Notes({ task }: { task: TaskDetail }) {
  const live = canCancel(task);
  return (
    <>
      {task.status === "pending" && (
        <p className={task.stranded ? "warning" : "note"}>
          {reason(task, task.attempts.length > 0)}
          {task.due_at && (
            <>
              , <Ago at={task.due_at} /> (<Moment at={task.due_at} />)
            </>
          )}
          .
        </p>
      )}
      {live && task.cancel_requested && (
        <p className="note">It was asked to stop, and ends when it notices.</p>
      )}
      {task.retried_as && (
        <p className="note">
          It was retried as <TaskLink id={task.retried_as} />.
        </p>
      )}
    </>
  );
}

function Failure({ task }: { task: TaskDetail }) {
  return (
    <section className="card failure">
      <div className="title">
        <h2>Error</h2>
        <Copy text={task.stacktrace ?? task.error ?? ""} />
      </div>
      <p className="error">{task.error}</p>
      {task.stacktrace && (
        <details open={task.stacktrace.length < 6000}>
          <summary>Traceback</summary>
          <pre>{task.stacktrace}</pre>
        </details>
      )}
    </section>
  );
}

function Tags({ tags }: { tags: Record<string, string> }) {
  return (
    <>
      {Object.entries(tags).map(([key, value]) => (
        <Link key={key} to="tasks" query={{ tag: `${key}:${value}` }} className="tag">
          {key}: {value}
        </Link>
      ))}
    </>
  );
}
