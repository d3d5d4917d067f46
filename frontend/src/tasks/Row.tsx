import type { ReactNode } from "react";
import type { Task } from "../api/queries";
import type { ProgressInfo } from "../api/schema";
import { firstLine, short, span } from "../format";
import { useNow } from "../now";
import { Ago, Badge, Link } from "../ui/basics";
import type { Column } from "./columns";

const TAGS = 4;

/** What a task's row shows in one column. */
export function Cell({ task, column }: { task: Task; column: Column }): ReactNode {
  switch (column) {
    case "tags":
      return <Tags tags={task.tags} />;
    case "queue":
      return <span title={task.queue}>{task.queue}</span>;
    case "created":
      return <Ago at={task.created_at} />;
    case "duration":
      return <Took task={task} />;
    case "retries":
      return task.retries_used || "";
    case "instance":
      return task.instance && <code title={task.instance}>{short(task.instance)}</code>;
    case "executor":
      return task.executor;
    case "source":
      return task.source;
    case "error":
      return <Said task={task} />;
  }
}

/** The task's name, and the end of its id. */
export function Name({ task }: { task: Task }) {
  return (
    <span className="name">
      <Link to={`tasks/${task.task_id}`}>{task.title || task.func_name}</Link>
      {task.title && <span className="quiet">{task.func_name}</span>}
      <code title={task.task_id}>{short(task.task_id)}</code>
    </span>
  );
}

function Tags({ tags }: { tags: Record<string, string> }) {
  const all = Object.entries(tags);
  return (
    <span className="fits" title={all.map(([key, value]) => `${key}: ${value}`).join("\n")}>
      {all.slice(0, TAGS).map(([key, value]) => (
        <span key={key} className="tag">
          {value}
        </span>
      ))}
      {all.length > TAGS && <span className="quiet">+{all.length - TAGS}</span>}
    </span>
  );
}

export function Status({ task }: { task: Task }) {
  const later = task.status === "pending" && task.due_at !== null;
  return <Badge status={later ? "scheduled" : task.status} />;
}

/** How long it took, or has been running. */
export function Took({ task }: { task: Task }) {
  return task.status === "running" && task.start_time !== null ? (
    <Running since={task.start_time} />
  ) : (
    <span>{task.duration === null ? "" : span(task.duration)}</span>
  );
}

function Running({ since }: { since: string }) {
  const now = useNow();
  const seconds = Math.max(0, Math.floor((now - new Date(since).getTime()) / 1000));
  return <span className="running">{span(seconds)}</span>;
}

function Said({ task }: { task: Task }) {
  if (task.error) {
    const quiet = task.status === "success" || task.status === "cancelled";
    return (
      <span className={quiet ? "quiet" : "error"} title={task.error}>
        {firstLine(task.error)}
      </span>
    );
  }
  if (task.summary) return <span title={task.summary}>{task.summary}</span>;
  return task.progress && task.status !== "success" ? <Progress progress={task.progress} /> : null;
}

export function Progress({ progress }: { progress: ProgressInfo }) {
  const { done, total, message } = progress;
  return (
    <span className="progress">
      {total ? <progress value={done} max={total} aria-label="Progress" /> : <span>{done}</span>}
      {message && <span className="quiet">{message}</span>}
    </span>
  );
}
