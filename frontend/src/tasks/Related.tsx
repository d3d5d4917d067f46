import { type Task, useRelated } from "../api/queries";
import type { TaskDetail } from "../api/schema";
import type { Query } from "../router";
import { Ago, Badge, Link } from "../ui/basics";

/** Tasks that have to do with this one: its retries, those of its key, batch and schedule. */
export function Related({ task }: { task: TaskDetail }) {
  const { data } = useRelated(task);
  if (!data) return null;
  const { retries, ofKey, batch, scheduled } = data;
  if (retries.length + ofKey.length + batch.length + scheduled.length === 0) return null;
  return (
    <section className="card related">
      <h2>Related</h2>
      <Group title="Retries" tasks={retries} />
      <Group title="Same key" tasks={ofKey} all={{ key: task.order_key }} />
      <Group title="Same batch" tasks={batch} all={{ batch: task.batch_id }} />
      <Group
        title="Scheduled before and after"
        tasks={scheduled}
        all={{ func_name: task.func_name, source: task.source }}
      />
    </section>
  );
}

function Group({ title, tasks, all }: { title: string; tasks: readonly Task[]; all?: Query }) {
  if (tasks.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <ul>
        {tasks.map((one) => (
          <li key={one.task_id}>
            <Badge status={one.status} />{" "}
            <Link to={`tasks/${one.task_id}`} title={one.task_id}>
              {one.title || one.func_name}
            </Link>{" "}
            <span className="quiet">
              <Ago at={one.created_at} />
            </span>
          </li>
        ))}
      </ul>
      {all && (
        <Link to="tasks" query={all}>
          all of them
        </Link>
      )}
    </>
  );
}
