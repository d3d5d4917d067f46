import { useEffect, useRef, useState } from "react";
import { count } from "../format";
import { change, useAddress } from "../router";

/** Fewer rows than these are seen at a glance. */
const FEW = 12;
const PAGE = 60;

/**
 * Of a table's rows as many as one scrolls to. Browsers skip what is out of sight by themselves,
 * but not in tables.
 */
export function usePart<T>(rows: readonly T[]) {
  const [most, setMost] = useState(PAGE);
  return {
    shown: rows.slice(0, most),
    more: rows.length > most && <More key={most} reach={() => setMost(most + PAGE)} />,
  };
}

/** A table's rows with some text in their names, which the address keeps; as many as fit. */
export function useNarrow<T>(rows: readonly T[], namesOf: (row: T) => readonly string[]) {
  const text = useAddress().query.get("q") ?? "";
  const found = rows.filter((row) => holds(text, namesOf(row)));
  return {
    ...usePart(found),
    box: (rows.length > FEW || text !== "") && (
      <Box text={text} found={found.length} all={rows.length} />
    ),
  };
}

/** Each word of the text is in one of the names; letters may be large or small. */
export function holds(text: string, names: readonly string[]): boolean {
  const own = names.join("\n").toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => own.includes(word));
}

function Box({ text, found, all }: { text: string; found: number; all: number }) {
  return (
    <p className="filters">
      <input
        type="search"
        placeholder="Filter by name"
        aria-label="Filter by name"
        value={text}
        onChange={(event) => change({ q: event.target.value })}
      />{" "}
      <span className="quiet" role="status">
        {text === "" ? count(all) : `${count(found)} of ${count(all)}`}
      </span>
    </p>
  );
}

/** Below the last row that is drawn: draws more before it is in sight, or when it is asked to. */
function More({ reach }: { reach: () => void }) {
  const own = useRef<HTMLButtonElement>(null);
  const latest = useRef(reach);
  latest.current = reach;
  useEffect(() => {
    if (!own.current) return;
    const watch = new IntersectionObserver(([entry]) => entry?.isIntersecting && latest.current(), {
      rootMargin: "800px",
    });
    watch.observe(own.current);
    return () => watch.disconnect();
  }, []);
  return (
    <button type="button" className="more" ref={own} onClick={reach}>
      Show more
    </button>
  );
}
