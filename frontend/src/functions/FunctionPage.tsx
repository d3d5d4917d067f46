import { useFunctions, useMetrics } from "../api/queries";
import type { FunctionDetail, FunctionSettings } from "../api/schema";
import { count, percent, plural, span } from "../format";
import { Charts, useWindow, WindowTabs } from "../overview/windows";
import { useStream } from "../stream";
import { Empty, FactList, Head, Link, Loaded } from "../ui/basics";

/** One function: how its tasks went over time, and how they run. */
export default function FunctionPage({ name }: { name: string }) {
  const functions = useFunctions();
  const window = useWindow();
  const query = { bucket: window.bucket, func_name: name };
  const metrics = useMetrics(query);
  useStream({ views: { functions: ["functions"], metrics: ["metrics", query] }, query });
  return (
    <>
      <Head title={name}>
        <WindowTabs chosen={window} />
      </Head>
      <p className="under">
        <Link to="tasks" query={{ func_name: name }}>
          its tasks
        </Link>
        <Link to="failures" query={{ func_name: name }}>
          its failures
        </Link>
      </p>
      <Loaded query={functions}>
        {(all) => {
          const one = all.find((each) => each.func_name === name);
          return one ? <Facts one={one} /> : <Empty title={`No function is named ${name}.`} />;
        }}
      </Loaded>
      <Loaded query={metrics}>
        {({ series }) => series && <Charts series={series} each={window.each} />}
      </Loaded>
    </>
  );
}

function Facts({ one }: { one: FunctionDetail }) {
  const hour = one.last_hour;
  return (
    <div className="halves">
      <section className="card">
        <h2>Its tasks</h2>
        {one.stranded && <p className="error">Tasks wait, and no instance can run them.</p>}
        {one.unreadable && <p className="error">{one.unreadable}</p>}
        <FactList
          facts={[
            ["Waiting", count(one.pending)],
            ["Running", count(one.running)],
            ["Ended", count(one.ended)],
            ["Succeeded", one.ended > 0 ? percent(one.success_rate) : "–"],
            ["p50, p95, p99 of all time", [one.p50, one.p95, one.p99].map(span).join(", ")],
            [
              "In the last hour",
              hour ? `${count(hour.success)} succeeded, ${count(hour.failed)} failed` : "none",
            ],
            ["Run by", plural(one.instances.length, "instance")],
          ]}
        />
      </section>
      <section className="card">
        <h2>Settings</h2>
        {one.settings ? (
          <FactList facts={factsOf(one.settings)} />
        ) : (
          <p className="quiet">It is not registered in the process that answers.</p>
        )}
      </section>
    </div>
  );
}

function factsOf(own: FunctionSettings): [string, string][] {
  return [
    ["Executor", own.executor],
    ["Queue", own.queue ?? "default"],
    ["Priority", own.priority === null ? "none" : String(own.priority)],
    ["Durable", own.persist ? "yes" : "no"],
    ["Runs again if its process dies", own.requeue_on_interrupt ? "yes" : "no"],
    ["Retries", String(own.retries)],
    ["Between them", own.retries > 0 ? `${span(own.delay)} ×${own.backoff}` : "–"],
    ["Timeout", own.timeout === null ? "none" : span(own.timeout)],
    ["Result kept", own.result_ttl === null ? "with the task" : span(own.result_ttl)],
  ];
}
