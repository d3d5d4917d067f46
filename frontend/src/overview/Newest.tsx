import { askPage } from "../api/client";
import { type Task, useLook } from "../api/queries";
import { firstLine } from "../format";
import { FAILING } from "../tasks/filters";
import { Ago, Badge, Link, Loaded } from "../ui/basics";

const MOST = 7;

/** The newest tasks that ended badly. */
export function Newest() {
  const found = useLook(["newest"], 5, (signal) =>
    askPage("GET ", { query: { status: [...FAILING], limit: MOST, brief: true }, signal }),
  );
  return (
    <section className="card">
      <div className="title">
        <h2>Newest failures</h2>
        <Link to="tasks" query={{ status: FAILING }}>
          all
        </Link>
      </div>
      <Loaded query={found}>
        {({ items }) =>
          items.length === 0 ? (
            <p className="quiet">None.</p>
          ) : (
            <ul className="newest">
              {items.map((task) => (
                <One key={task.task_id} task={task} />
              ))}
            </ul>
          )
        }
      </Loaded>
    </section>
  );
}

function One({ task }: { task: Task }) {
  return (
    <li>
      <Link to={`tasks/${task.task_id}`}>{task.title || task.func_name}</Link>
      {task.status !== "failed" && <Badge status={task.status} />}
      <span className="error" title={task.error ?? ""}>
        {firstLine(task.error ?? "")}
      </span>
      <span className="quiet">
        <Ago at={task.created_at} />
      </span>
    </li>
  );
}
