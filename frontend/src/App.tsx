import { type JSX, lazy, Suspense, useEffect } from "react";
import { Audit } from "./audit/Audit";
import { Failure } from "./failures/Failure";
import { Failures } from "./failures/Failures";
import { short } from "./format";
import { Functions } from "./functions/Functions";
import { Instances } from "./instances/Instances";
import { Queues } from "./queues/Queues";
import { useAddress } from "./router";
import { Schedules } from "./schedules/Schedules";
import { settings } from "./settings";
import { Frame } from "./shell/Frame";
import { VIEWS } from "./shell/views";
import { TaskList } from "./tasks/TaskList";
import { TaskPage } from "./tasks/TaskPage";
import { Empty, Link, Loading } from "./ui/basics";

// They bring the charts, which no other view needs.
const FunctionPage = lazy(() => import("./functions/FunctionPage"));
const Overview = lazy(() => import("./overview/Overview"));

export function App() {
  const { path } = useAddress();
  const [first = "", second] = path.split("/").map(decoded);
  const view = VIEWS.find((one) => one.path === first);
  const title = second === undefined ? (view?.title ?? "Not found") : nameOf(first, second);
  useEffect(() => {
    document.title = `${title} · ${settings.title}`;
  }, [title]);
  return <Frame at={first}>{show(first, second)}</Frame>;
}

/** A task is known by the end of its id, other things by their names. */
function nameOf(first: string, name: string): string {
  return first === "tasks" ? short(name) : name;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function show(first: string, second: string | undefined): JSX.Element {
  if (second !== undefined) return showOne(first, second);
  switch (first) {
    case "":
      return (
        <Suspense fallback={<Loading />}>
          <Overview />
        </Suspense>
      );
    case "tasks":
      return <TaskList />;
    case "failures":
      return <Failures />;
    case "queues":
      return <Queues />;
    case "schedules":
      return <Schedules />;
    case "functions":
      return <Functions />;
    case "instances":
      return <Instances />;
    case "audit":
      return <Audit />;
    default:
      return <Lost />;
  }
}

function showOne(first: string, name: string): JSX.Element {
  switch (first) {
    case "tasks":
      return <TaskPage key={name} id={name} />;
    case "failures":
      return <Failure key={name} group={name} />;
    case "queues":
      return <Queues key={name} only={name} />;
    case "functions":
      return (
        <Suspense fallback={<Loading />}>
          <FunctionPage key={name} name={name} />
        </Suspense>
      );
    default:
      return <Lost />;
  }
}

function Lost() {
  return (
    <Empty title="There is no such page.">
      <Link to="">To the overview</Link>
    </Empty>
  );
}
