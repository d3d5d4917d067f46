import { count } from "../format";
import { live, useLive } from "../live";

/** Lets the page stand still, and counts what comes meanwhile. */
export function LiveButton() {
  const { paused, missed, connected } = useLive();
  if (paused) {
    return (
      <button type="button" className="live paused" onClick={live.resume}>
        Paused{missed > 0 && ` · ${count(missed)} new`}
      </button>
    );
  }
  return (
    <button
      type="button"
      className={connected === false ? "live lost" : "live"}
      onClick={live.pause}
      title="Let the page stand still"
    >
      {connected === false ? "Reconnecting" : "Live"}
    </button>
  );
}
