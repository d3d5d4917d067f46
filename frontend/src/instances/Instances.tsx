import { useInstances } from "../api/queries";
import type { InstanceDetail } from "../api/schema";
import { count, short, span } from "../format";
import { useAddress } from "../router";
import { useStream } from "../stream";
import { Ago, Head, Loaded, Scroll } from "../ui/basics";

const LATE_SECONDS = 0.25;

/** Every process that works on the store. */
export function Instances() {
  const instances = useInstances();
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
            <Scroll label="Instances">
              <table>
                <thead>
                  <tr>
                    <th>Instance</th>
                    <th>Host</th>
                    <th className="number">Process</th>
                    <th>Started</th>
                    <th>Version</th>
                    <th>Roles</th>
                    <th className="number">Functions</th>
                    <th className="number" title="By which its event loop answered late">
                      Lag
                    </th>
                    <th className="number" title="Functions, at its last heartbeat">
                      Running
                    </th>
                    <th className="number">Heartbeats</th>
                    <th>Executors</th>
                  </tr>
                </thead>
                <tbody>
                  {all.map((one) => (
                    <Row key={one.instance_id} one={one} sought={one.instance_id === sought} />
                  ))}
                </tbody>
              </table>
            </Scroll>
          </>
        )}
      </Loaded>
    </>
  );
}

function Row({ one, sought }: { one: InstanceDetail; sought: boolean }) {
  const executors = one.executors.map((place) => {
    const slots = place.slots === null ? "" : ` of ${place.slots}`;
    const busy = place.running === null ? place.slots : `${place.running}${slots}`;
    return `${place.name} ${busy ?? ""}`.trim();
  });
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
      </td>
      <td>{one.host}</td>
      <td className="number">{one.pid}</td>
      <td>
        <Ago at={one.started_at} />
      </td>
      <td className="quiet">{one.version}</td>
      <td className="quiet roomy">{one.roles.join(", ")}</td>
      <td className="number">{one.functions}</td>
      <td className={one.lag > LATE_SECONDS ? "number error" : "number"}>{span(one.lag)}</td>
      <td className="number">{count(one.running)}</td>
      <td className="number">{count(one.heartbeats)}</td>
      <td className="quiet">{executors.join(", ")}</td>
    </tr>
  );
}
