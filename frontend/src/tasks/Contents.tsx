import type { TaskDetail } from "../api/schema";
import { Copy } from "../ui/copy";

/** Arguments and result, where the server shows them. */
export function Contents({ task }: { task: TaskDetail }) {
  const { args, kwargs, result } = task;
  if (args === undefined || task.contents_hidden) return null;
  const lines = [
    ...(args ?? []),
    ...Object.entries(kwargs ?? {}).map(([name, value]) => `${name}=${value}`),
  ];
  const call = lines.join(",\n");
  return (
    <>
      <section className="card">
        <div className="title">
          <h2>Arguments</h2>
          {call && <Copy text={call} />}
        </div>
        {call ? <pre>{call}</pre> : <p className="quiet">None, or none that can be read.</p>}
      </section>
      {task.status === "success" && (
        <section className="card">
          <div className="title">
            <h2>Result</h2>
            {result && <Copy text={result} />}
          </div>
          {result ? (
            <pre>{result}</pre>
          ) : (
            <p className="quiet">{task.result_missing ?? "None, or none that can be read."}</p>
          )}
        </section>
      )}
    </>
  );
}
