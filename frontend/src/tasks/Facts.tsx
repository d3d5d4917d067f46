import type { ReactNode } from "react";
import type { TaskDetail } from "../api/schema";
import { short } from "../format";
import { FactList, Link, Moment, TaskLink } from "../ui/basics";

/** What else is known of a task. */
export function Facts({ task }: { task: TaskDetail }) {
  const facts: [string, ReactNode][] = [
    [
      "Function",
      <Link to={`functions/${encodeURIComponent(task.func_name)}`} key="f">
        {task.func_name}
      </Link>,
    ],
    [
      "Queue",
      <Link to={`queues/${encodeURIComponent(task.queue)}`} key="q">
        {task.queue}
      </Link>,
    ],
    [
      "Key",
      task.order_key && (
        <Link to="tasks" query={{ key: task.order_key }}>
          {task.order_key}
        </Link>
      ),
    ],
    ["Priority", task.priority],
    ["Created", <Moment at={task.created_at} key="c" />],
    ["Started", task.start_time && <Moment at={task.start_time} exact />],
    ["Ended", task.end_time && <Moment at={task.end_time} exact />],
    ["Retries", task.retries_used || null],
    ["Durable", task.durable ? "yes" : "no"],
    ["Executor", task.executor],
    ["Source", task.source],
    [
      "Instance",
      task.instance && (
        <Link to="instances" query={{ instance: task.instance }} className="id">
          {short(task.instance)}
        </Link>
      ),
    ],
    ["Retry of", task.retry_of && <TaskLink id={task.retry_of} />],
    ["Retried as", task.retried_as && <TaskLink id={task.retried_as} />],
    ["Same work as", task.duplicate_of && <TaskLink id={task.duplicate_of} />],
    [
      "Failure",
      task.failure && (
        <Link to="tasks" query={{ failure: task.failure }}>
          all that failed alike
        </Link>
      ),
    ],
    [
      "Others",
      <Link to="tasks" query={{ func_name: task.func_name }} key="o">
        tasks of this function
      </Link>,
    ],
  ];
  return (
    <section className="card">
      <h2>Facts</h2>
      <FactList facts={facts} />
    </section>
  );
}
