import { useInstances } from "../api/queries";
import type { InstanceDetail } from "../api/schema";
import { count, short, span } from "../format";
import { useAddress } from "../router";
import { useStream } from "../stream";
import { Ago, Empty, Head, Loaded } from "../ui/basics";
import { type Column, Table } from "../ui/table";
import { Slots } from "./Slots";
import { useSilent } from "./silent";

const LATE_SECONDS = 0.25;
const ROLES = 4;

const COLUMNS: readonly Column[] = [
  { title: "Instance" },
  { title: "Host and process" },
  { title: "Started" },
  { title: "Version", kind: "spare" },
  { title: "Roles" },
  { title: "Functions", kind: "number" },
  { title: "Lag", kind: "number", hint: "By which its event loop answered late" },
  { title: "Running", kind: "number", hint: "Functions, at its last heartbeat" },
  { title: "Heartbeats", kind: "number roomy" },
  { title: "Executors" },
];

/** Every process that works on the store. */
export function Instances() {
  const instances = useInstances();
  const silent = useSilent(instances.data);
  const sought = useAddress().query.get("instance");
  useStream({ views: { instances: ["instances"] } });
  return (
    <>
      <Head title="Instances" />
      <Loaded query={instances}>
        {(all) => (
          <>
            {sought && !all.some((one) => one.instance_id === sought) && (
              <p className="note">
                Instance <code>{sought}</code> is not there any more.
              </p>
            )}
            {all.length === 0 ? (
              <Empty title="No process works on this store." />
            ) : (
              <Table label="Instances" columns={COLUMNS}>
                {all.map((one) => (
                  <Row
                    key={one.instance_id}
                    one={one}
                    sought={one.instance_id === sought}
                    silent={silent.get(one.instance_id)}
                  />
                ))}
              </Table>
            )}
          </>
        )}
      </Loaded>
    </>
  );
}

function Row({
  one,
  sought,
  silent,
}: {
  one: InstanceDetail;
  sought: boolean;
  /** Since so many seconds it says nothing. */
  silent: number | undefined;
}) {
  return (
    <tr className={sought ? "active" : undefined} aria-current={sought || undefined}>
      <td>
        <code title={one.instance_id}>{short(one.instance_id)}</code>{" "}
        {one.this && <span className="quiet">answers</span>}{" "}
        {one.draining && (
          <span className="badge paused" title="It stops, and takes nothing on">
            draining
          </span>
        )}
        {silent !== undefined && (
          <span className="badge failed" title="No heartbeat comes from it">
            silent for {span(silent)}
          </span>
        )}
      </td>
      <td>
        {one.host} <span className="quiet">{one.pid}</span>
      </td>
      <td>
        <Ago at={one.started_at} />
      </td>
      <td className="quiet spare">{one.version}</td>
      <td className="quiet" title={one.roles.join(", ")}>
        {one.roles.length === ROLES ? "all" : one.roles.join(", ")}
      </td>
      <td className="number">{one.functions}</td>
      <td className={one.lag > LATE_SECONDS ? "number error" : "number"}>{span(one.lag)}</td>
      <td className="number">{count(one.running)}</td>
      <td className="number roomy">{count(one.heartbeats)}</td>
      <td className="quiet">
        <Slots of={one.executors} />
      </td>
    </tr>
  );
}
