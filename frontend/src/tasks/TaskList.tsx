import { useMemo, useState } from "react";
import { address } from "../api/client";
import { useTasks } from "../api/queries";
import { count, plural } from "../format";
import { useAddress } from "../router";
import { settings } from "../settings";
import { useStream } from "../stream";
import { Empty, Head, Loaded } from "../ui/basics";
import { Actions } from "./Actions";
import { ColumnChoice } from "./ColumnChoice";
import { useColumns } from "./columns";
import { FilterBar } from "./FilterBar";
import { filtersOf } from "./filters";
import { Rows } from "./Rows";
import { SavedFilters } from "./SavedFilters";
import { useSelection } from "./selection";

/** All tasks: found by the server, shown as far as one scrolls. */
export function TaskList() {
  const asked = useAddress().query.toString();
  const filters = useMemo(() => filtersOf(new URLSearchParams(asked)), [asked]);
  const tasks = useTasks(filters);
  useStream({ tasks: filters });
  const selection = useSelection();
  const [columns, choose] = useColumns();
  const [active, setActive] = useState<string | null>(null);
  const total = tasks.data?.pages.at(-1)?.total;
  const loaded = tasks.data?.pages.flatMap((page) => page.items) ?? [];
  // One that failed is asked for again by hand, not at once and for ever.
  const canGoOn = tasks.hasNextPage && !tasks.isFetchingNextPage && !tasks.isFetchNextPageError;
  const more =
    total &&
    loaded.every((one) => selection.chosen.has(one.task_id)) &&
    isMore(total, loaded.length);
  return (
    <div className="list">
      <Head title="Tasks">
        {total && <span className="quiet">{inWords(total)}</span>}
        <SavedFilters filters={filters} />
        {/* A plain link: it works without https, and the browser writes the file as it comes. */}
        <a className="button" href={address("/export.csv", {}, filters)} download>
          Export CSV
        </a>
        <ColumnChoice chosen={columns} choose={choose} />
      </Head>
      <FilterBar filters={filters} />
      <Loaded query={tasks}>
        {() =>
          loaded.length === 0 ? (
            <Empty title={asked ? "No task matches." : "There are no tasks."} />
          ) : (
            <Rows
              tasks={loaded}
              columns={columns}
              selection={settings.may.act ? selection : null}
              active={active}
              setActive={setActive}
              stale={tasks.isPlaceholderData}
              more={canGoOn ? tasks.fetchNextPage : null}
            />
          )
        }
      </Loaded>
      {settings.may.act && selection.chosen.size > 0 && (
        <Actions
          key={asked}
          chosen={[...selection.chosen.values()]}
          clear={selection.clear}
          matching={more ? { filters, total: number(total) } : null}
        />
      )}
    </div>
  );
}

function isMore(total: string, loaded: number): boolean {
  return total.endsWith("+") || Number(total) > loaded;
}

/** `12,345`, or `10,000+` where the server stopped counting. */
function number(total: string): string {
  return `${count(Number.parseInt(total, 10))}${total.endsWith("+") ? "+" : ""}`;
}

function inWords(total: string): string {
  const more = total.endsWith("+");
  return `${more ? "more than " : ""}${plural(Number.parseInt(total, 10), "task")}`;
}
