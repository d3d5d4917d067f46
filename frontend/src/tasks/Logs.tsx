import { useEffect, useRef, useState } from "react";
import { clock, plural, utc } from "../format";
import { Copy } from "../ui/copy";

const LINE = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}) (.*)$/s;
const MOST = 2000;

/** What a task said; it follows the end as long as one looks at the end. */
export function Logs({ lines }: { lines: readonly string[] }) {
  const [wanted, setWanted] = useState("");
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const found = wanted
    ? lines.filter((line) => line.toLowerCase().includes(wanted.toLowerCase()))
    : lines;
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
              {wanted ? `${found.length} of ` : ""}
              {plural(lines.length, "line")}
            </span>
            <input
              type="search"
              aria-label="Find in the log"
              placeholder="Find"
              value={wanted}
              onChange={(event) => setWanted(event.target.value)}
            />
            <Copy text={lines.join("\n")} />
          </>
        )}
      </div>
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
            <Line key={index} text={line} />
          ))}
        </div>
      )}
    </section>
  );
}

function Line({ text }: { text: string }) {
  const found = LINE.exec(text);
  if (!found) return <p className={text.startsWith("--- ") ? "part" : undefined}>{text}</p>;
  // Lines say the time in UTC, and the page shows the viewer's.
  const at = new Date(`${found[1]}Z`);
  return (
    <p>
      <time dateTime={at.toISOString()} title={utc(at)}>
        {clock(at, at.getTime())}
      </time>
      {found[2]}
    </p>
  );
}
