import { useEffect, useRef, useState } from "react";
import type { TaskDetail } from "../api/schema";
import { clock, plural, utc } from "../format";
import { change, useAddress } from "../router";
import { Copy } from "../ui/copy";
import { atLeast, choices, type Level, type Line, levelOf, linesOf, said } from "./loglevels";

const LINE = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}) (.*)$/s;
const MOST = 2000;

/** What a task said; it follows the end as long as one looks at the end. */
export function Logs({ task }: { task: TaskDetail }) {
  const [wanted, setWanted] = useState("");
  const level = levelOf(useAddress().query.get("level"));
  const lines = linesOf(task);
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const grave = atLeast(lines, level);
  const found = wanted
    ? grave.filter(({ text }) => text.toLowerCase().includes(wanted.toLowerCase()))
    : grave;
  const shown = found.slice(-MOST);
  useEffect(() => {
    const own = box.current;
    if (own && atEnd.current && shown.length > 0) own.scrollTop = own.scrollHeight;
  }, [shown.length]);
  return (
    <section className="card logs">
      <div className="title">
        <h2>Log</h2>
        {lines.length > 0 && (
          <>
            <span className="quiet">
              {wanted || level ? `${said(found)} of ` : ""}
              {plural(said(lines), "line")}
            </span>
            <input
              type="search"
              aria-label="Find in the log"
              placeholder="Find"
              value={wanted}
              onChange={(event) => setWanted(event.target.value)}
            />
            <Copy text={found.map(({ text }) => text).join("\n")} />
          </>
        )}
      </div>
      <Levels lines={lines} chosen={level} />
      {lines.length === 0 ? (
        <p className="quiet">It has said nothing.</p>
      ) : (
        <div
          ref={box}
          className="lines"
          tabIndex={0}
          role="log"
          onScroll={(event) => {
            const own = event.currentTarget;
            atEnd.current = own.scrollHeight - own.scrollTop - own.clientHeight < 24;
          }}
        >
          {found.length > MOST && <p className="quiet">The latest {MOST} lines.</p>}
          {shown.map((line, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: lines are only added at the end.
            <Shown key={index} line={line} />
          ))}
        </div>
      )}
    </section>
  );
}

/** From which level on lines are shown; it is kept in the address. */
function Levels({ lines, chosen }: { lines: readonly Line[]; chosen: Level | null }) {
  const offered = choices(lines, chosen);
  if (offered.length === 0) return null;
  return (
    <fieldset className="tabs">
      <legend className="unseen">Levels</legend>
      {offered.map(({ level, count }) => (
        <button
          key={level}
          type="button"
          aria-pressed={level === chosen}
          title={level ? `Lines of level ${level} and graver ones` : undefined}
          onClick={() => change({ level })}
        >
          {level ? `${level}+` : "all"}
          <small>{count}</small>
        </button>
      ))}
    </fieldset>
  );
}

function Shown({ line: { text, level } }: { line: Line }) {
  const found = LINE.exec(text);
  if (!found) return <p className={text.startsWith("--- ") ? "part" : undefined}>{text}</p>;
  // Lines say the time in UTC, and the page shows the viewer's.
  const at = new Date(`${found[1]}Z`);
  return (
    <p className={level === "debug" ? "debug" : undefined}>
      <time dateTime={at.toISOString()} title={utc(at)}>
        {clock(at, at.getTime())}
      </time>
      {level && level !== "info" && <b className={`level ${level}`}>{level}</b>}
      {found[2]}
    </p>
  );
}
