import type { AnchorHTMLAttributes, MouseEvent, ReactNode } from "react";
import type { TaskStatus } from "../api/schema";
import { away, clock, short, utc } from "../format";
import { useNow } from "../now";
import { go, href, type Query } from "../router";

/** A link within the page; with a modifier key or another button the browser follows it. */
export function Link({
  to,
  query = {},
  children,
  ...rest
}: { to: string; query?: Query; children: ReactNode } & Omit<
  AnchorHTMLAttributes<HTMLAnchorElement>,
  "href" | "onClick"
>) {
  const follow = (event: MouseEvent) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(to, query);
  };
  return (
    <a href={href(to, query)} onClick={follow} {...rest}>
      {children}
    </a>
  );
}

/** A task's state, in words and colour. */
export function Badge({ status }: { status: TaskStatus | string }) {
  return <span className={`badge ${status}`}>{status}</span>;
}

/** How long ago it was, with the time here and in UTC on hover. */
export function Ago({ at }: { at: string | null }) {
  const now = useNow();
  if (at === null) return <span className="quiet">–</span>;
  const date = new Date(at);
  return (
    <time dateTime={at} title={`${clock(date, now, { exact: true })}\n${utc(date)}`}>
      {away(date, now)}
    </time>
  );
}

/** The time here, with UTC on hover. */
export function Moment({ at, exact = false }: { at: string | null; exact?: boolean }) {
  const now = useNow();
  if (at === null) return <span className="quiet">–</span>;
  const date = new Date(at);
  return (
    <time dateTime={at} title={`${away(date, now)}\n${utc(date)}`}>
      {clock(date, now, { exact })}
    </time>
  );
}

/** Another task, by the end of its id. */
export function TaskLink({ id }: { id: string }) {
  return (
    <Link to={`tasks/${id}`} className="id" title={id}>
      {short(id)}
    </Link>
  );
}

/** A heading with what belongs to the whole view beside it. */
export function Head({ title, children }: { title: ReactNode; children?: ReactNode }) {
  return (
    <div className="head">
      <h1>{title}</h1>
      <div className="tools">{children}</div>
    </div>
  );
}

/** What to show while there is nothing yet, or nothing at all. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <p>{title}</p>
      {children}
    </div>
  );
}

export function Loading() {
  return (
    <div className="empty" role="status">
      <p>Loading…</p>
    </div>
  );
}

/** An error where the content would be, with the way to try again. */
export function Failed({ error, again }: { error: Error; again?: () => void }) {
  return (
    <div className="problem" role="alert">
      <span>{error.message}</span>
      {again && (
        <button type="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}

/** A view's content once it is there: loading, failed, or both old data and a failure. */
export function Loaded<T>({
  query,
  children,
}: {
  query: { data: T | undefined; error: Error | null; refetch: () => unknown };
  children: (data: T) => ReactNode;
}) {
  const again = () => void query.refetch();
  if (query.data === undefined)
    return query.error ? <Failed error={query.error} again={again} /> : <Loading />;
  return (
    <>
      {query.error && <Failed error={query.error} again={again} />}
      {children(query.data)}
    </>
  );
}

/** Facts by name; those that nobody knows are left out. */
export function FactList({ facts }: { facts: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className="facts">
      {facts
        .filter(([, value]) => value !== null && value !== undefined && value !== "")
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

/** A choice of one among a few. */
export function Tabs<T extends { title: string }>({
  label,
  all,
  chosen,
  choose,
  beside,
}: {
  label: string;
  all: readonly T[];
  chosen: (one: T) => boolean;
  choose: (one: T) => void;
  beside?: (one: T) => ReactNode;
}) {
  return (
    <fieldset className="tabs">
      <legend className="unseen">{label}</legend>
      {all.map((one) => (
        <button
          key={one.title}
          type="button"
          aria-pressed={chosen(one)}
          onClick={() => choose(one)}
        >
          {one.title}
          {beside?.(one)}
        </button>
      ))}
    </fieldset>
  );
}
