import type { ReactNode } from "react";
import type { TaskFilters } from "../api/queries";
import { useFailureName } from "../failures/queries";
import { change } from "../router";
import { Link } from "../ui/basics";

const NAMED = { batch: "Batch", key: "Key", source: "Source", until: "Added before" } as const;

/** The filters that no field shows; each can be taken away. */
export function Chips({ filters }: { filters: TaskFilters }) {
  return (
    <>
      {filters.failure && <FailureChip group={filters.failure} />}
      {(Object.keys(NAMED) as (keyof typeof NAMED)[]).map(
        (name) =>
          filters[name] && (
            <Chip key={name} name={name} title={NAMED[name]}>
              {filters[name]}
            </Chip>
          ),
      )}
    </>
  );
}

function FailureChip({ group }: { group: string }) {
  const { data } = useFailureName(group);
  return (
    <Chip name="failure" title="Failure">
      <Link to={`failures/${group}`}>{data ? `${data.kind} in ${data.func_name}` : group}</Link>
    </Chip>
  );
}

function Chip({
  name,
  title,
  children,
}: {
  name: keyof TaskFilters;
  title: string;
  children: ReactNode;
}) {
  return (
    <span className="chip">
      <span className="quiet">{title}</span> <strong>{children}</strong>
      <button
        type="button"
        className="plain"
        aria-label={`Without ${title.toLowerCase()}`}
        onClick={() => change({ [name]: null }, { replace: false })}
      >
        ×
      </button>
    </span>
  );
}
