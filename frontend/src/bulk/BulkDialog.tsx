import { useState } from "react";
import type { TaskChoice } from "../api/schema";
import { count, plural } from "../format";
import { Dialog } from "../ui/dialog";
import { toast } from "../ui/toasts";
import { usePreview, useStart } from "./queries";

type Action = "retry" | "cancel";

const WORDS = {
  retry: { verb: "Retry", means: "Each runs again as a new task with the same arguments." },
  cancel: { verb: "Cancel", means: "What waits never starts. What runs is asked to stop." },
} as const;

const WINDOWS = [
  { value: "15m", title: "the last 15 minutes" },
  { value: "1h", title: "the last hour" },
  { value: "6h", title: "the last 6 hours" },
  { value: "1d", title: "the last day" },
  { value: "1w", title: "the last week" },
] as const;

/** Says how many tasks it would be, and does it to them in the background once that is confirmed. */
export function BulkDialog({
  action,
  filter,
  what,
  windows = null,
  means = WORDS[action].means,
  close,
  started,
}: {
  action: Action;
  filter: TaskChoice;
  /** Which tasks, in words, after "all". */
  what: string;
  /** A span of time may be chosen; `optional`: or none. */
  windows?: "optional" | "needed" | null;
  /** What it does to them, where that is less than what the action may do. */
  means?: string;
  close: () => void;
  started?: () => void;
}) {
  const [since, setSince] = useState<string>(windows === "needed" ? "1h" : "");
  const request = { action, filter: since ? { ...filter, since } : filter };
  const preview = usePreview(request);
  const start = useStart();
  const { verb } = WORDS[action];
  const found = preview.data;
  const number = found && `${count(found.count)}${found.more ? "+" : ""}`;
  const run = () =>
    found &&
    start.mutate(
      { request, preview: found },
      {
        onError: (error) => toast(error.message, { bad: true }),
        onSuccess: () => {
          close();
          started?.();
        },
      },
    );
  return (
    <Dialog title={`${verb} all ${what}`} close={close}>
      {windows && (
        <label className="window">
          Made in{" "}
          <select value={since} onChange={(event) => setSince(event.target.value)}>
            {windows === "optional" && <option value="">all time</option>}
            {WINDOWS.map((one) => (
              <option key={one.value} value={one.value}>
                {one.title}
              </option>
            ))}
          </select>
        </label>
      )}
      <p role="status">
        {preview.error ? (
          <span className="error">{preview.error.message}</span>
        ) : found ? (
          <>
            <strong>
              {found.more ? `${count(found.count)}+ tasks` : plural(found.count, "task")}
            </strong>{" "}
            would be {action === "retry" ? "retried" : "cancelled"}.
          </>
        ) : (
          "Counting…"
        )}
      </p>
      <p className="quiet">
        {means} What comes later is left alone. It goes on in the background, and can be called off.
      </p>
      <form
        className="actions"
        onSubmit={(event) => {
          event.preventDefault();
          run();
        }}
      >
        <button type="button" onClick={close}>
          Back
        </button>
        {found && found.count > 0 && (
          // biome-ignore lint/a11y/noAutofocus: Enter confirms what was just asked for; the choice of a span keeps its focus.
          <button type="submit" className="main" autoFocus={!windows} disabled={start.isPending}>
            {verb} {number}
          </button>
        )}
      </form>
    </Dialog>
  );
}
