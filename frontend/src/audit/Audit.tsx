import { useAct, useAudit, verifyAudit } from "../api/queries";
import type { AuditCheckInfo, AuditInfo } from "../api/schema";
import { count, short } from "../format";
import { useStream } from "../stream";
import { Empty, Head, Link, Loaded, Moment } from "../ui/basics";
import { Table } from "../ui/table";

const COLUMNS = ["When", "Who", "What", "On", "Detail"].map((title) => ({ title }));
const OF_TASKS = new Set(["retry", "cancel", "run_again"]);

/** What people did, newest first. */
export function Audit() {
  const audit = useAudit();
  useStream({ views: { audit: ["audit"] } });
  return (
    <>
      <Head title="Audit">
        <Verify />
      </Head>
      <Loaded query={audit}>
        {(data) => {
          const entries = data.pages.flatMap((page) => page.items);
          if (entries.length === 0) return <Empty title="Nobody has done anything yet." />;
          return (
            <>
              <Table label="Audit" columns={COLUMNS}>
                {entries.map((entry) => (
                  <Row key={entry.entry_id} entry={entry} />
                ))}
              </Table>
              {audit.hasNextPage && (
                <button
                  type="button"
                  className="more"
                  disabled={audit.isFetchingNextPage}
                  onClick={() => void audit.fetchNextPage()}
                >
                  Older
                </button>
              )}
            </>
          );
        }}
      </Loaded>
    </>
  );
}

/** Whether the newest entries are as they were written, as their hashes tell. */
function Verify() {
  const check = useAct(verifyAudit, []);
  const { data, error } = check;
  return (
    <>
      <span role="status" className={data?.broken || error ? "error" : "quiet"}>
        {error ? error.message : data && verdict(data)}
      </span>
      <button type="button" disabled={check.isPending} onClick={() => check.mutate(undefined)}>
        Verify
      </button>
    </>
  );
}

export function verdict(check: AuditCheckInfo): string {
  const { broken, checked, unchained, whole } = check;
  if (broken) return `Not as it was written: entry ${broken.entry_id}, ${broken.reason}.`;
  const which = whole ? "All" : "The newest";
  const older = unchained > 0 ? `; ${count(unchained)} older ones have no hash` : "";
  return `${which} ${count(checked)} as they were written${older}.`;
}

function Row({ entry }: { entry: AuditInfo }) {
  return (
    <tr>
      <td>
        <Moment at={entry.timestamp} />
      </td>
      <td>{entry.actor}</td>
      <td>{entry.action.replaceAll("_", " ")}</td>
      <td>
        {OF_TASKS.has(entry.action) ? (
          <Link to={`tasks/${encodeURIComponent(entry.task_id)}`} className="id">
            {short(entry.task_id)}
          </Link>
        ) : (
          entry.task_id
        )}
      </td>
      <td className="quiet">{inWords(entry.detail)}</td>
    </tr>
  );
}

/** `concurrency: 2 → 4`, where a detail has both; else its values. */
export function inWords(detail: Record<string, unknown>): string {
  const { before, after } = detail as Record<"before" | "after", unknown>;
  if (isFields(before) && isFields(after)) {
    return Object.keys(after)
      .filter((name) => before[name] !== after[name])
      .map((name) => `${name}: ${plain(before[name])} → ${plain(after[name])}`)
      .join(", ");
  }
  return Object.entries(detail)
    .map(([name, value]) => `${name}: ${plain(value)}`)
    .join(", ");
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function plain(value: unknown): string {
  if (value === null || value === undefined) return "none";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
