import { type FormEvent, useState } from "react";
import type { TaskFilters } from "../api/queries";
import { href, toPairs } from "../router";
import { Link } from "../ui/basics";
import { Menu } from "../ui/menu";
import { toast } from "../ui/toasts";
import { toQuery } from "./filters";
import { useSaved } from "./saved";

/** Filters by the names that somebody gave them; each is a link. */
export function SavedFilters({ filters }: { filters: TaskFilters }) {
  const saved = useSaved();
  const [name, setName] = useState("");
  const now = new URL(href("tasks", toQuery(filters)), location.href).search.slice(1);
  const save = (event: FormEvent) => {
    event.preventDefault();
    const given = name.trim();
    if (!given) return;
    saved.save(given, now);
    setName("");
    toast(`Saved as “${given}” in this browser.`);
  };
  return (
    <Menu title="Saved filters" className="saved" key={now}>
      {saved.all.length === 0 && <p className="quiet">None yet.</p>}
      <ul>
        {saved.all.map((one) => (
          <li key={one.name}>
            <Link
              to="tasks"
              query={toPairs(one.query)}
              aria-current={one.query === now ? "true" : undefined}
            >
              {one.name}
            </Link>
            <button
              type="button"
              className="plain"
              aria-label={`Forget ${one.name}`}
              onClick={() => saved.forget(one.name)}
            >
              ×
            </button>
          </li>
        ))}
      </ul>
      <form onSubmit={save}>
        <input
          aria-label="Name of this filter"
          placeholder="Name of this filter"
          value={name}
          maxLength={60}
          onChange={(event) => setName(event.target.value)}
        />
        <button type="submit" disabled={!now || !name.trim()}>
          Save
        </button>
      </form>
      {!now && <p className="quiet">Filter first: all tasks need no name.</p>}
    </Menu>
  );
}
