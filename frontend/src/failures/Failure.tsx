import { useState } from "react";
import { ApiError } from "../api/client";
import { useTask } from "../api/queries";
import type { ExampleInfo, FailureDetail, TaskDetail } from "../api/schema";
import { BulkDialog } from "../bulk/BulkDialog";
import { bare, count } from "../format";
import { useNow } from "../now";
import { settings } from "../settings";
import { Bars } from "../ui/bars";
import { Empty, FactList, Head, Link, Loaded, Moment, TaskLink } from "../ui/basics";
import { Copy } from "../ui/copy";
import { isNew, useFailure } from "./queries";

/** One thing that goes wrong: how often, an example, and the tasks that it hit. */
export function Failure({ group }: { group: string }) {
  const failure = useFailure(group);
  if (failure.error instanceof ApiError && failure.error.status === 404 && !failure.data) {
    return (
      <Empty title="There is no such failure.">
        <p className="quiet">It may have been deleted with the history.</p>
        <Link to="failures">All failures</Link>
      </Empty>
    );
  }
  return <Loaded query={failure}>{(data) => <Found failure={data} />}</Loaded>;
}

function Found({ failure }: { failure: FailureDetail }) {
  const now = useNow();
  return (
    <article className="task">
      <Head
        title={
          <>
            <span className="func">{bare(failure.kind)}</span>{" "}
            {isNew(failure, now) && <span className="badge failed">new</span>}
          </>
        }
      >
        <Acts failure={failure} />
      </Head>
      <p className="under">
        {failure.kind !== bare(failure.kind) && <code>{failure.kind}</code>} in{" "}
        <Link to="tasks" query={{ func_name: failure.func_name }}>
          {failure.func_name}
        </Link>
      </p>
      <div className="columns">
        <div>
          {failure.example ? (
            <Example example={failure.example} group={failure.group} />
          ) : (
            <p className="note">The task that failed last is deleted.</p>
          )}
        </div>
        <div>
          <Facts failure={failure} />
        </div>
      </div>
    </article>
  );
}

function Acts({ failure }: { failure: FailureDetail }) {
  const [asked, setAsked] = useState(false);
  return (
    <>
      <Link to="tasks" query={{ failure: failure.group }}>
        Its tasks
      </Link>
      {settings.may.act && failure.to_retry !== "0" && (
        <button type="button" className="main" data-key="r" onClick={() => setAsked(true)}>
          Retry {failure.to_retry}
        </button>
      )}
      {asked && (
        <BulkDialog
          action="retry"
          filter={{ failure: failure.group, status: ["failed"] }}
          what={`that failed with ${bare(failure.kind)}`}
          windows="optional"
          close={() => setAsked(false)}
        />
      )}
    </>
  );
}

function Example({ example, group }: { example: ExampleInfo; group: string }) {
  const task = useTask(example.task_id);
  const { error = example.error, stacktrace: trace } = (task.data && own(task.data, group)) ?? {};
  return (
    <section className="card failure">
      <div className="title">
        <h2>The last one</h2>
        <span>
          {example.title} <TaskLink id={example.task_id} />{" "}
          {error && <Copy text={trace ?? error} />}
        </span>
      </div>
      {error ? (
        <p className="error">{error}</p>
      ) : (
        <p className="quiet">{task.isPending ? "Loading…" : "Its text is not kept."}</p>
      )}
      {trace && (
        <details open>
          <summary>Traceback</summary>
          <pre>{trace}</pre>
        </details>
      )}
    </section>
  );
}

/** The task's newest attempt that failed so: the task itself may have ended otherwise since. */
function own(task: TaskDetail, group: string) {
  if (task.failure === group && task.error) return task;
  return task.attempts.findLast((one) => one.failure === group);
}

function Facts({ failure }: { failure: FailureDetail }) {
  return (
    <section className="card">
      <h2>How often</h2>
      <Bars
        bars={failure.trend}
        bad
        label={`${count(failure.recent)} failures in the last 24 hours, by hour`}
      />
      <FactList
        facts={[
          ["Attempts in 24 hours", count(failure.recent)],
          ["Attempts in all", count(failure.count)],
          ["First", <Moment key="f" at={failure.first_at} />],
          ["Last", <Moment key="l" at={failure.last_at} />],
          [
            "Tasks to retry",
            <Link key="t" to="tasks" query={{ failure: failure.group, status: "failed" }}>
              {failure.to_retry}
            </Link>,
          ],
        ]}
      />
    </section>
  );
}
