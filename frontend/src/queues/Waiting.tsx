import { askPage } from "../api/client";
import { useLook } from "../api/queries";
import { count } from "../format";
import { Ago, Link, Loaded } from "../ui/basics";

const MOST = 20;
const EVERY_SECONDS = 3;

/** The newest tasks that wait in a queue, and what each waits for. */
export function Waiting({ queue }: { queue: string }) {
  const tasks = useLook(["tasks", "waiting", queue], EVERY_SECONDS, (signal) =>
    askPage("GET ", { query: { queue, status: ["pending"], limit: MOST, brief: true }, signal }),
  );
  return (
    <Loaded query={tasks}>
      {({ items, cursor }) =>
        items.length === 0 ? (
          <p className="quiet">Nothing waits.</p>
        ) : (
          <>
            <ul className="waiting">
              {items.map((task) => (
                <li key={task.task_id}>
                  <Link to={`tasks/${task.task_id}`}>{task.title || task.func_name}</Link>
                  <span>waits for {task.waiting_for?.text ?? "its turn"}</span>
                  <span className="quiet">
                    <Ago at={task.created_at} />
                  </span>
                </li>
              ))}
            </ul>
            {cursor && <p className="quiet">The newest {count(items.length)}.</p>}
          </>
        )
      }
    </Loaded>
  );
}
